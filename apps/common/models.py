"""The rows of every long job: the run, and the shards that some runs are cut into."""

from __future__ import annotations

import datetime
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone


class RunStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"


ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class Run(models.Model):
    """A long job: what it does, how far it is, how it ended. Redis only carries its id."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="runs", null=True)
    kind = models.CharField(max_length=40)
    target = models.BigIntegerField(null=True, blank=True, help_text="Key of the row the run works on.")
    params = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=8, choices=RunStatus.choices, default=RunStatus.QUEUED)
    phase = models.CharField(max_length=60, blank=True)
    phase_at = models.DateTimeField(null=True, blank=True, help_text="Start of the phase; time left counts from it.")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0, help_text="Grows by every start; who works on an older one stops.")
    requeues = models.PositiveSmallIntegerField(default=0, help_text="How often it was found without a heartbeat.")
    holder = models.CharField(max_length=300, blank=True, help_text="The installation whose worker runs it.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    shards_left = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="For people: what went wrong.")
    trace = models.TextField(blank=True, help_text="For staff: the tail of the traceback.")
    result = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status"),
            models.CheckConstraint(condition=Q(done__gte=0, total__gte=0), name="run_counts"),
            models.CheckConstraint(
                condition=Q(status__in=ACTIVE, ended_at=None) | (~Q(status__in=ACTIVE) & Q(ended_at__isnull=False)),
                name="run_ended_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="run_of_organization"),
            models.Index(fields=["kind", "target", "-id"], name="run_of_target"),
            models.Index(fields=["status", "heartbeat_at"], condition=Q(status__in=ACTIVE), name="run_active"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.status})"

    def get_absolute_url(self) -> str:
        return reverse("common:run", args=[self.organization.slug, self.uid]) if self.organization else ""

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    def time_left(self, at: datetime.datetime | None = None) -> datetime.timedelta | None:
        """What is left of the phase if the rest goes as fast as what is done; None while nobody can say."""
        if self.status != RunStatus.RUNNING or self.phase_at is None or not 0 < self.done < self.total:
            return None
        spent = (at or timezone.now()) - self.phase_at
        return spent * ((self.total - self.done) / self.done)


class Shard(models.Model):
    """A part of a run that a worker of its own does; its number and params say which part."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="shards")
    number = models.PositiveIntegerField()
    params = models.JSONField(default=dict, blank=True)
    size = models.BigIntegerField(default=1, help_text="Items in it, as the run counts them.")
    done = models.BigIntegerField(default=0)
    status = models.CharField(max_length=8, choices=RunStatus.choices, default=RunStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    requeues = models.PositiveSmallIntegerField(default=0)
    holder = models.CharField(max_length=300, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    enqueued_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="shard_of_run_once"),
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="shard_status"),
        ]
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], condition=Q(status__in=ACTIVE), name="shard_active"),
        ]

    def __str__(self) -> str:
        return f"shard {self.number} of run {self.run_id} ({self.status})"
