"""What the API remembers: answers to requests that carry an idempotency key."""

from django.db import models


class IdempotentRequest(models.Model):
    """A POST that was sent with an Idempotency-Key; `status` is NULL while it is being answered."""

    api_key = models.ForeignKey("accounts.ApiKey", models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, help_text="Of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(default=b"")
    content_type = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "key"], name="idempotent_once")]
        indexes = [models.Index(fields=["at"], name="idempotent_age")]
