"""The rows that the tests' runs write."""

from django.db import models

from apps.common.crypto import EncryptedTextField


class Receipt(models.Model):
    """One step of a run, as somebody did it. Nothing keeps it from being written twice but the run's own guard."""

    run = models.BigIntegerField()
    step = models.CharField(max_length=40)
    attempt = models.PositiveIntegerField()
    pid = models.PositiveIntegerField()


class Safe(models.Model):
    """A row with something to hide."""

    secret = EncryptedTextField(blank=True)
