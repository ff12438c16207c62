"""What the verbs share: the locked task, its guards, and the pieces of its change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.accounts.models import User
from apps.common.http import Conflict
from apps.labeling.models import Annotation, Draft, Prelabel, Task, TaskState
from apps.labeling.transitions import moves
from apps.projects.models import Project, Stage
from apps.taxonomies import labels as label_json
from apps.taxonomies.models import Category

HELD_STATES = (TaskState.ASSIGNED, TaskState.IN_PROGRESS)
MOST_SECONDS = 24 * 3600.0


def lease_end(stage: Stage, at: datetime | None = None) -> datetime:
    minutes = stage.config.get("lease_minutes") or 0
    return (at or timezone.now()) + timedelta(seconds=minutes * 60 or settings.LEASE_SECONDS)


def pipeline_of(project_id: int) -> list[Stage]:
    return list(Stage.objects.filter(project=project_id).select_related("taxonomy"))


def locked(task_id: UUID) -> Task:
    """The task, locked. Without a join: a row whose stage changes while this waits would fall out of it."""
    task = Task.objects.select_for_update().get(uid=task_id)
    task.stage = Stage.objects.select_related("taxonomy", "project").get(pk=task.stage_id)
    task.project = task.stage.project
    if task.project.status in (Project.Status.ARCHIVED, Project.Status.REMOVING):
        raise Conflict(f"The project {task.project.name} is {task.project.get_status_display().lower()}.")
    return task


def held(task_id: UUID, user: User, revision: int | None = None) -> Task:
    """The task, locked, which must be leased to the user and as the page knows it."""
    task = locked(task_id)
    newer = {"revision": task.revision, "task_state": task.state, "stage": task.stage.name}
    if task.state not in HELD_STATES or task.assignee_id != user.pk:
        raise Conflict("This task is no longer assigned to you.", **newer)
    if revision is not None and revision != task.revision:
        raise Conflict("This task was changed elsewhere since it was opened here.", **newer)
    return task


def parsed_labels(stage: Stage, labels: object) -> list[label_json.Label]:
    classes = set(Category.objects.filter(taxonomy=stage.taxonomy_id).values_list("class_id", flat=True))
    return label_json.parse(labels, class_ids=classes)


def active_seconds(seconds: float) -> float:
    return min(max(seconds, 0.0), MOST_SECONDS) if math.isfinite(seconds) else 0.0


def annotate(task: Task, user: User, labels: object, seconds: float, undecided: str | None = None) -> Annotation:
    """Labels of a person, tied to the pre-labels the server froze.

    Undecided ones are accepted or dropped as `undecided` says, else as the project wants.
    """
    shown = Prelabel.objects.filter(task=task).values_list("labels", flat=True).first()
    prelabels = None if task.is_audit else shown
    parsed = parsed_labels(task.stage, labels)
    parsed = _decided(parsed, prelabels or [], undecided or task.project.undecided)
    settled = label_json.settle(parsed, prelabels or [])
    edits = None if prelabels is None else label_json.edits(prelabels, settled)
    return record(task, user, settled, seconds, Annotation.Source.HUMAN, edits)


def _decided(
    labels: Sequence[label_json.Label], prelabels: Sequence[Mapping[str, Any]], rule: str
) -> list[label_json.Label]:
    """The labels with what is undecided among them accepted or dropped; where the rule is to ask, it is refused."""
    left = set(label_json.undecided(labels, prelabels))
    if left and rule == Project.Undecided.ASK:
        errors = [label_json.LabelError(position, "neither accepted nor rejected.") for position in sorted(left)]
        pre_labels = "1 pre-label is" if len(left) == 1 else f"{len(left)} pre-labels are"
        raise label_json.LabelErrors(errors, f"{pre_labels} neither accepted nor rejected.")
    if rule == Project.Undecided.DROP:
        return [label for position, label in enumerate(labels) if position not in left]
    return [{**label, "from": label["id"]} if position in left else label for position, label in enumerate(labels)]


def record(
    task: Task,
    author: User,
    labels: Sequence[Mapping[str, Any]],
    seconds: float,
    source: Annotation.Source,
    edits: Mapping[str, int] | None = None,
) -> Annotation:
    annotation = Annotation.objects.create(
        task=task, stage=task.stage, author=author, labels=list(labels), source=source, seconds=active_seconds(seconds),
        edits=edits,
    )  # fmt: skip
    Task.objects.filter(pk=task.pk).update(annotation=annotation)
    Draft.objects.filter(task=task, user=author).delete()
    return annotation


def leave(task: Task, port: str, verb: str, user: User, *, reserved_for: int | None = None, **detail: Any) -> None:
    moves.travel(
        stages=pipeline_of(task.project_id), origin=task.stage, port=port, task_ids=[task.pk], verb=verb, by=user.pk,
        reserved_for=reserved_for, detail=detail,
    )  # fmt: skip


def fresh(task: Task) -> Task:
    return Task.objects.select_related("stage", "project", "annotation").get(pk=task.pk)


def give_back(task: Task) -> None:
    task.state = TaskState.WAITING
    task.assignee = None
    task.leased_until = None


def withdraw_entries(task_ids: Sequence[int]) -> None:
    """Tasks that leave an output take their entries with them; one that somebody else has written since stays."""
    moves.execute(
        """
        DELETE FROM warehouse_labelsetentry e USING labeling_task t, projects_stage s
        WHERE t.id = ANY(%s) AND s.id = t.stage_id AND s.brick = 'labelset-output'
            AND e.labelset_id = s.labelset_id AND e.datapoint_id = t.datapoint_id AND e.task_uid = t.uid
        """,
        [list(task_ids)],
    )
