"""The active-learning stage: its learner, cycles and predictions."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.projects.models import Stage


class LearningStage(Stage):
    """A stage of this brick, as the admin lists it."""

    class Meta:
        proxy = True
        verbose_name = "active-learning stage"


class Learner(models.Model):
    """The learner of one active-learning stage; `current` is the cycle whose predictions and order count."""

    stage = models.OneToOneField("projects.Stage", models.CASCADE, related_name="learner")
    current = models.ForeignKey("Cycle", models.SET_NULL, null=True, blank=True, related_name="+")
    last_decision = models.CharField(max_length=300, blank=True, help_text="Of automatic mode.")
    last_decision_at = models.DateTimeField(null=True, blank=True)


class StageRun(models.Model):
    """Which run holds the stage: one active cycle or flush a stage, by constraint."""

    stage = models.ForeignKey("projects.Stage", models.CASCADE, related_name="stage_runs")
    run = models.OneToOneField("common.Run", models.CASCADE, related_name="stage_run")
    key = models.UUIDField(default=uuid.uuid4, help_text="One-time key of the form that asked for it.")
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stage"], condition=Q(is_active=True), name="one_active_run_a_stage"),
            models.UniqueConstraint(fields=["stage", "key"], name="stage_run_key_once"),
        ]


class Cycle(models.Model):
    """One training run: train, calibrate, predict the whole queue, reorder it."""

    stage = models.ForeignKey("projects.Stage", models.CASCADE, related_name="cycles")
    run = models.OneToOneField("common.Run", models.SET_NULL, null=True, related_name="cycle")
    number = models.PositiveIntegerField(help_text="From 1.")
    is_external = models.BooleanField(default=False, help_text="A program outside predicts, by the API.")
    preset = models.CharField(max_length=10, blank=True)
    strategy = models.CharField(max_length=20, default="least-confident")
    model_path = models.CharField(max_length=300, blank=True)
    checkpoint_path = models.CharField(max_length=300, blank=True)
    calibration = models.JSONField(null=True, blank=True)
    train_images = models.PositiveIntegerField(default=0)
    held_out_images = models.PositiveIntegerField(default=0)
    labeled = models.PositiveIntegerField(default=0, help_text="Tasks with human labels when it started.")
    total = models.PositiveIntegerField(default=0, help_text="Tasks of the project when it started.")
    last_annotation = models.BigIntegerField(default=0, help_text="Newest annotation it has used.")
    train_seconds = models.FloatField(null=True)
    predict_seconds = models.FloatField(null=True)
    mean_confidence = models.FloatField(null=True, help_text="Over the queue.")
    agreement = models.FloatField(null=True, help_text="Measured on the held-out set, cross-fitted.")
    agreement_low = models.FloatField(null=True)
    agreement_high = models.FloatField(null=True)
    agreement_n = models.PositiveIntegerField(default=0)
    scored = models.JSONField(default=list, blank=True, help_text="[confidence, agreement] of each held-out image.")
    metrics = models.JSONField(default=dict, blank=True, help_text="Held-out AP, calibration error and the like.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stage", "number"], name="cycle_number")]

    def __str__(self) -> str:
        return f"Cycle {self.number}"

    @property
    def is_calibrated(self) -> bool:
        return bool(self.calibration and self.metrics.get("calibrated"))


class Prediction(models.Model):
    """The boxes a cycle's model predicts for a task; written by COPY, dropped with the cycle's successor."""

    cycle = models.ForeignKey(Cycle, models.CASCADE, related_name="predictions", db_index=False)
    task = models.ForeignKey("labeling.Task", models.CASCADE, related_name="predictions")
    labels = models.JSONField()
    confidence = models.FloatField()
    score = models.FloatField(null=True, help_text="An external learner's, before calibration.")
    rank = models.BigIntegerField(null=True, help_text="Order in the queue, least sure first; NULL until ranked.")
    embedding = models.BinaryField(null=True, help_text="float16, for the diverse strategy.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cycle", "task"], name="prediction_once")]
        indexes = [
            models.Index(fields=["cycle", "rank", "task"], condition=Q(rank__isnull=False), name="prediction_rank"),
            models.Index(fields=["cycle", "confidence"], name="prediction_confidence"),
        ]


class Unreadable(models.Model):
    """A task whose image could not be read by a cycle, and why; it has no prediction and is not trained on."""

    cycle = models.ForeignKey(Cycle, models.CASCADE, related_name="unreadable")
    task = models.ForeignKey("labeling.Task", models.CASCADE, related_name="+")
    reason = models.CharField(max_length=300)

    class Meta:
        verbose_name_plural = "unreadable images"
        constraints = [models.UniqueConstraint(fields=["cycle", "task"], name="unreadable_once")]


class FlushCheck(models.Model):
    """*Check first*: tasks drawn uniformly from exactly what a flush would send, labeled blind before it."""

    stage = models.ForeignKey("projects.Stage", models.CASCADE, related_name="flush_checks")
    batch = models.OneToOneField("labeling.Batch", models.CASCADE, related_name="flush_check")
    cycle = models.ForeignKey(Cycle, models.SET_NULL, null=True, related_name="+")
    threshold = models.FloatField()
    population = models.PositiveIntegerField(help_text="Auto-labels the flush would have sent.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
