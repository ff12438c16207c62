"""Who gets which task, and what the editor opens with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.common.http import Conflict
from apps.labeling.models import Annotation, Draft, Prelabel, Task
from apps.labeling.transitions import assign, renew_leases
from apps.projects.bricks import BRICKS
from apps.projects.models import Project, Stage

AT_ONCE = 5

# Literal states: the planner takes the partial index only for the condition it was made with.
_OPEN = "state IN ('waiting', 'assigned', 'in_progress')"
_MINE = f"""
    SELECT id FROM labeling_task
    WHERE stage_id = %s AND {_OPEN} AND id IN (
        SELECT id FROM labeling_task WHERE assignee_id = %s AND stage_id = %s
        UNION ALL SELECT id FROM labeling_task WHERE reserved_for_id = %s AND stage_id = %s
    )
    ORDER BY reserved_for_id IS NOT NULL DESC, priority DESC, batch_id, position, id LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608
_NEXT = f"""
    SELECT id FROM labeling_task
    WHERE stage_id = %s AND {_OPEN} AND (leased_until IS NULL OR leased_until < %s)
        AND (reserved_for_id IS NULL OR reserved_for_id = %s) AND NOT id = ANY(%s)
    ORDER BY priority DESC, batch_id, position, id LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Opening:
    """What the editor opens with; `origin` is draft, annotation, prelabel or empty."""

    labels: list[dict[str, Any]]
    prelabels: list[dict[str, Any]]
    revision: int
    origin: str
    seconds: float = 0.0


def take_next(*, stage: Stage, user: User, count: int = AT_ONCE, at: datetime | None = None) -> list[Task]:
    """The user's next tasks, leased: what is reserved for or held by the user first, then the stage's order."""
    if BRICKS[stage.brick].worked_by != "people":
        raise Conflict(f"Nobody labels in {stage.name}.")
    if stage.project.status in (Project.Status.ARCHIVED, Project.Status.REMOVING):
        raise Conflict(f"The project {stage.project.name} is {stage.project.get_status_display().lower()}.")
    at = at or timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        # Two windows of one person: the second sees what the first has taken.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [stage.pk % 2**31, user.pk % 2**31])
        cursor.execute(_MINE, [stage.pk, user.pk, stage.pk, user.pk, stage.pk, count])
        ids = [row[0] for row in cursor.fetchall()]
        if len(ids) < count:
            cursor.execute(_NEXT, [stage.pk, at, user.pk, ids, count - len(ids)])
            ids += [row[0] for row in cursor.fetchall()]
        assign(stage=stage, task_ids=ids, user=user, at=at)
    tasks = Task.objects.select_related("datapoint", "stage", "batch").in_bulk(ids)
    return [tasks[task_id] for task_id in ids]


def renew(*, stage: Stage, user: User, task_ids: Sequence[UUID]) -> datetime:
    """The page is open: its leases go on."""
    return renew_leases(stage=stage, user=user, task_ids=task_ids)


def opening(task: Task, user: User) -> Opening:
    """Own draft, else the current annotation, else the pre-labels; of an audit nothing is shown.

    A draft is passed over once something newer was submitted: it would undo that unseen.
    """
    frozen = Prelabel.objects.filter(task=task).values_list("labels", flat=True).first()
    prelabels = [] if task.is_audit or frozen is None else frozen
    said = Annotation.objects.filter(pk=task.annotation_id).first() if task.annotation_id else None
    draft = Draft.objects.filter(task=task, user=user).first()
    if draft and (said is None or draft.updated_at > said.at):
        return Opening(draft.labels, prelabels, task.revision, "draft", draft.seconds)
    if said:
        return Opening(said.labels, prelabels, task.revision, "annotation")
    if prelabels:
        return Opening(prelabels, prelabels, task.revision, "prelabel")
    return Opening([], [], task.revision, "")


def recent(*, stage: Stage, user: User, limit: int = 10) -> list[Task]:
    """What the user labeled last in this stage, newest first."""
    last = (
        Annotation.objects.filter(author=user, stage=stage)
        .order_by("-id")
        .values_list("task_id", flat=True)[: limit * 3]
    )
    ids = list(dict.fromkeys(last))[:limit]
    tasks = Task.objects.select_related("datapoint", "stage").in_bulk(ids)
    return [tasks[task_id] for task_id in ids]
