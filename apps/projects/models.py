"""The plan: projects and the stages of their pipelines."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from apps.projects.bricks import brick_choices

STAGE_NAME = RegexValidator(r"\A[A-Za-z0-9_]{4,20}\Z", "4 to 20 letters, digits or underscores.")


class Project(models.Model):
    """A pipeline and everything on its way through it."""

    class Status(models.TextChoices):
        CREATING = "creating", "Creating"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        ARCHIVED = "archived", "Archived"
        REMOVING = "removing", "Removing"

    class Undecided(models.TextChoices):
        ACCEPT = "accept", "Accept them"
        ASK = "ask", "Ask"
        DROP = "drop", "Drop them"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="projects")
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    instructions = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.CREATING)
    undecided = models.CharField(max_length=6, choices=Undecided.choices, default=Undecided.ASK)
    slider_default = models.FloatField(default=0.0, help_text="Pre-labels below this confidence start hidden.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="project_name")]

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """A named place in a pipeline; its brick is its kind."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="stages")
    name = models.CharField(max_length=20, validators=[STAGE_NAME])
    brick = models.CharField(max_length=40, choices=brick_choices)
    position = models.PositiveSmallIntegerField(default=0)
    dataset = models.ForeignKey("warehouse.Dataset", models.PROTECT, null=True, blank=True, related_name="stages")
    labelset = models.ForeignKey("warehouse.Labelset", models.PROTECT, null=True, blank=True, related_name="stages")
    taxonomy = models.ForeignKey("taxonomies.Taxonomy", models.PROTECT, null=True, blank=True, related_name="stages")
    config = models.JSONField(default=dict, blank=True)
    routing = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="stage_name"),
            models.UniqueConstraint(
                fields=["labelset"], condition=models.Q(brick="labelset-output"), name="labelset_written_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
