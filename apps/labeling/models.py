"""The work: tasks on their way through a pipeline and what people said about them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Random


class TaskState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    ASSIGNED = "assigned", "Assigned"
    IN_PROGRESS = "in_progress", "In progress"
    PROBLEM = "problem", "Problem"
    DONE = "done", "Done"


OPEN_STATES = [TaskState.WAITING, TaskState.ASSIGNED, TaskState.IN_PROGRESS]


class Batch(models.Model):
    """The top N of the queue, sent to be labeled."""

    stage = models.ForeignKey("projects.Stage", models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField()
    size = models.PositiveIntegerField(help_text="Tasks sent by rank; the audits come on top.")
    audits = models.PositiveIntegerField(default=0)
    is_picked = models.BooleanField(default=False, help_text="By somebody, not from the top of the queue.")
    key = models.UUIDField(default=uuid.uuid4, help_text="One-time key of the form that asked for it.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    recalled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(fields=["stage", "number"], name="batch_number"),
            models.UniqueConstraint(fields=["stage", "key"], name="batch_key_once"),
        ]


class Task(models.Model):
    """One datapoint on its way through one pipeline. Only `transitions` writes its stage, state and lease.

    Tables that are written by the million carry no index twice, and none for what is mostly NULL: where Django would
    index a foreign key by itself, an index below begins with it or leaves the NULLs out. Nor does PostgreSQL check
    row by row what another key of the row implies: a stage has a project.
    """

    uid = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    project = models.ForeignKey(
        "projects.Project", models.CASCADE, related_name="tasks", db_index=False, db_constraint=False
    )
    datapoint = models.ForeignKey("warehouse.Datapoint", models.PROTECT, related_name="tasks", db_index=False)
    stage = models.ForeignKey("projects.Stage", models.PROTECT, related_name="tasks", db_index=False)
    state = models.CharField(max_length=11, choices=TaskState.choices, default=TaskState.WAITING)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    reserved_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    revision = models.PositiveIntegerField(default=0)
    shuffle = models.FloatField(db_default=Random())
    priority = models.FloatField(default=0)
    position = models.PositiveIntegerField(default=0)
    annotation = models.ForeignKey(
        "Annotation", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    batch = models.ForeignKey(Batch, models.SET_NULL, null=True, blank=True, related_name="tasks", db_index=False)
    is_audit = models.BooleanField(default=False)
    is_held_out = models.BooleanField(default=False, help_text="Never trained on.")
    in_training_set = models.BooleanField(default=False, help_text="Its human labels came back by feedback.")
    arrived_at = models.DateTimeField(auto_now_add=True, help_text="When it came to its stage.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["datapoint", "project"], name="task_once"),
            models.CheckConstraint(condition=models.Q(state__in=TaskState.values), name="task_state"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["assigned", "in_progress"])
                | models.Q(assignee__isnull=False, leased_until__isnull=False),
                name="task_lease_has_holder",
            ),
        ]
        indexes = [
            models.Index(
                "stage",
                models.F("priority").desc(),
                "batch",
                "position",
                "id",
                condition=models.Q(state__in=["waiting", "assigned", "in_progress"]),
                name="task_next",
            ),
            models.Index(fields=["stage", "state", "shuffle"], name="task_shuffle"),
            # To count by: its equal keys share their entries, a tenth of the size and in the order of the table.
            models.Index(fields=["stage", "state"], name="task_count"),
            models.Index(fields=["project", "id"], name="task_page"),
            models.Index(fields=["assignee", "stage"], condition=models.Q(assignee__isnull=False), name="task_holder"),
            models.Index(fields=["reserved_for"], condition=models.Q(reserved_for__isnull=False), name="task_reserved"),
            models.Index(fields=["annotation"], condition=models.Q(annotation__isnull=False), name="task_annotation"),
            models.Index(fields=["batch"], condition=models.Q(batch__isnull=False), name="task_batch"),
            models.Index(fields=["project"], condition=models.Q(in_training_set=True), name="task_training_set"),
            models.Index(fields=["project"], condition=models.Q(is_held_out=True), name="task_held_out"),
        ]

    def __str__(self) -> str:
        return str(self.uid)


class Annotation(models.Model):
    """What one person or program said about a task; append-only. `[]` means: nothing here."""

    class Source(models.TextChoices):
        HUMAN = "human", "Human"
        IMPORT = "import", "Import"
        PROGRAM = "program", "Program"
        MODEL = "model", "Model"

    task = models.ForeignKey(Task, models.CASCADE, related_name="annotations", db_index=False)
    stage = models.ForeignKey("projects.Stage", models.SET_NULL, null=True, related_name="+")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="annotations", db_index=False
    )
    labels = models.JSONField()
    source = models.CharField(max_length=7, choices=Source.choices, default=Source.HUMAN)
    seconds = models.FloatField(default=0, help_text="Active seconds.")
    edits = models.JSONField(null=True, blank=True, help_text="Counts against the pre-labels; NULL without pre-labels.")
    confidence = models.FloatField(null=True, blank=True)
    cycle = models.PositiveIntegerField(null=True, blank=True, help_text="Number of the cycle that predicted it.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["task", "-id"], name="annotation_of_task"),
            models.Index(
                fields=["author", "-id"], condition=models.Q(author__isnull=False), name="annotation_of_author"
            ),
        ]


class Draft(models.Model):
    """Saved but not submitted work of one person on one task."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="drafts")
    labels = models.JSONField(default=list)
    seconds = models.FloatField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "user"], name="draft_once")]


class Prelabel(models.Model):
    """The prediction frozen when the task was sent. Of an audit it is stored but shown to no labeler."""

    task = models.OneToOneField(Task, models.CASCADE, related_name="prelabel")
    labels = models.JSONField()
    confidence = models.FloatField(null=True)
    cycle = models.PositiveIntegerField(null=True, help_text="Number of the cycle that predicted it.")
    at = models.DateTimeField(auto_now_add=True)


class TaskEvent(models.Model):
    """One line of a task's history, written in the transaction that changed it."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="events", db_index=False)
    verb = models.CharField(max_length=20)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False)
    from_stage = models.CharField(max_length=20, blank=True)
    to_stage = models.CharField(max_length=20, blank=True)
    path = models.JSONField(default=list, help_text="Names of the pass-through stages on the way.")
    # Annotations go only with their task, and its events with them.
    annotation = models.ForeignKey(
        Annotation, models.SET_NULL, null=True, related_name="+", db_index=False, db_constraint=False
    )
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["task", "id"], name="event_of_task"),
            models.Index(fields=["actor"], condition=models.Q(actor__isnull=False), name="event_of_actor"),
            models.Index(fields=["annotation"], condition=models.Q(annotation__isnull=False), name="event_annotation"),
        ]


class Comment(models.Model):
    """A remark on a task or on one of its boxes."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    label_id = models.CharField(max_length=36, blank=True)
    stage_name = models.CharField(max_length=20, blank=True)
    text = models.TextField(max_length=4000)
    resolved_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(auto_now_add=True)
