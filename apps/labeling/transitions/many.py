"""Many tasks, one decision: leases, release, reassign, send, recall, flush."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import User
from apps.common.http import Conflict
from apps.labeling.models import OPEN_STATES, Batch, Prelabel, Task, TaskState
from apps.labeling.transitions import moves
from apps.labeling.transitions.moves import Source
from apps.labeling.transitions.shared import HELD_STATES, lease_end, pipeline_of, withdraw_entries
from apps.projects.bricks import LEARNING
from apps.projects.models import Stage
from apps.projects.pipelines import brick_of

WORKED_BY_PEOPLE = ("manual-labeling", "expert-review")


def assign(*, stage: Stage, task_ids: Sequence[int], user: User, at: datetime) -> None:
    """Lease locked tasks to a labeler; one taken over from somebody else counts as a move."""
    if not task_ids:
        return
    taken = moves.fetch(
        """
        UPDATE labeling_task t
        SET state = CASE WHEN t.assignee_id = %s THEN t.state ELSE 'assigned' END,
            revision = t.revision + CASE WHEN old.assignee_id <> %s THEN 1 ELSE 0 END,
            assignee_id = %s, leased_until = %s
        FROM labeling_task old
        WHERE old.id = t.id AND t.id = ANY(%s)
        RETURNING t.id, old.assignee_id IS DISTINCT FROM %s
        """,
        [user.pk, user.pk, user.pk, lease_end(stage, at), list(task_ids), user.pk],
    )
    moves.write_events([row[0] for row in taken if row[1]], verb="assigned", by=user.pk, stage=stage.name)


def renew_leases(*, stage: Stage, task_ids: Sequence[UUID], user: User) -> datetime:
    """The page is still open: its tasks stay with it. A task that somebody else has taken over stays there."""
    until = lease_end(stage)
    Task.objects.filter(stage=stage, uid__in=task_ids, assignee=user, state__in=HELD_STATES).update(leased_until=until)
    return until


def release(*, task_ids: Sequence[UUID], by: User, stage: Stage | None = None, anybodys: bool = False) -> int:
    """Give leased or reserved tasks back to everybody: one's own, or as a manager anybody's. Drafts stay."""
    with transaction.atomic():
        tasks = Task.objects.filter(uid__in=task_ids, state__in=OPEN_STATES).exclude(
            state=TaskState.WAITING, reserved_for=None
        )
        if stage is not None:
            tasks = tasks.filter(stage=stage)
        if not anybodys:
            tasks = tasks.filter(Q(assignee=by) | Q(assignee=None, reserved_for=by))
        return _release(tasks, by)


def release_member(*, organization_id: int, user_id: int) -> int:
    """Nothing stays with somebody who is no longer a member."""
    with transaction.atomic():
        ours = Task.objects.filter(project__organization_id=organization_id)
        released = _release(ours.filter(assignee_id=user_id, state__in=OPEN_STATES), None)
        ours.filter(reserved_for_id=user_id).update(reserved_for=None)
    return released


def reassign(*, task_ids: Sequence[UUID], to: User, by: User) -> int:
    """Reserve open tasks for a member: they come on top of that member's queue and nobody else gets them."""
    with transaction.atomic():
        tasks = Task.objects.filter(uid__in=task_ids, state__in=OPEN_STATES, stage__brick__in=WORKED_BY_PEOPLE)
        locked = _lock_with_stage(tasks)
        ids = [pk for pk, _ in locked]
        moves.execute(
            """
            UPDATE labeling_task SET state = 'waiting', assignee_id = NULL, leased_until = NULL,
                reserved_for_id = %s, revision = revision + 1 WHERE id = ANY(%s)
            """,
            [to.pk, ids],
        )
        _events_by_stage(locked, "reassigned", by, {"to": str(to)})
    return len(ids)


def set_priority(*, task_ids: Sequence[UUID], priority: float, by: User) -> int:
    """Higher comes first, here and in every later stage."""
    if not math.isfinite(priority) or priority < 0:
        raise Conflict("The priority must be a number from 0.")
    with transaction.atomic():
        locked = _lock_with_stage(Task.objects.filter(uid__in=task_ids, state__in=OPEN_STATES))
        Task.objects.filter(pk__in=[pk for pk, _ in locked]).update(priority=priority)
        _events_by_stage(locked, "prioritized", by, {"priority": priority})
    return len(locked)


def send(
    *,
    stage: Stage,
    batch: Batch,
    task_ids: Sequence[int],
    by: User | None,
    port: str = "label",
    audits: Collection[int] = (),
    held_out: Collection[int] = (),
    prelabels: Source | None = None,
) -> int:
    """Move waiting tasks out of a port, in this order, with their predictions frozen; how many were still there.

    A task that has left the queue meanwhile is passed over.
    """
    with transaction.atomic():
        ids = moves.lock(stage.pk, task_ids, [TaskState.WAITING])
        present = set(ids)
        order = [task_id for task_id in task_ids if task_id in present]
        _freeze(order, prelabels)
        moves.travel(
            stages=pipeline_of(stage.project_id), origin=stage, port=port, task_ids=order, verb="sent",
            by=by.pk if by else None, detail={"batch": batch.number},
            change=moves.Change(
                columns=", batch_id = %s, position = o.position, is_audit = t.id = ANY(%s),"
                " is_held_out = t.is_held_out OR t.id = ANY(%s)",
                params=(batch.pk, list(audits), [*held_out, *audits]),
                table="unnest(%s::bigint[]) WITH ORDINALITY AS o(id, position)",
                table_params=(order,),
                match="t.id = o.id",
            ),
        )  # fmt: skip
    return len(order)


def recall(*, batch: Batch, by: User | None) -> int:
    """The unlabeled rest of a batch returns to the queue; what somebody has saved and still holds stays."""
    with transaction.atomic():
        rest = Task.objects.filter(batch=batch, annotation=None, state__in=OPEN_STATES).exclude(stage=batch.stage)
        rest = rest.exclude(state=TaskState.IN_PROGRESS, leased_until__gt=timezone.now())
        locked = _lock_with_stage(rest)
        ids = [pk for pk, _ in locked]
        Prelabel.objects.filter(task_id__in=ids).delete()
        for name, members in _by_stage(locked).items():
            moves.put(stage=batch.stage, task_ids=members, verb="recalled", by=by.pk if by else None, origin=name)
        moves.execute(
            "UPDATE labeling_task SET batch_id = NULL, position = 0, is_audit = FALSE, is_held_out = FALSE"
            " WHERE id = ANY(%s)",
            [ids],
        )
        Batch.objects.filter(pk=batch.pk).update(recalled_at=timezone.now())
    return len(ids)


def flush_move(
    *,
    stage: Stage,
    task_ids: Sequence[int],
    by: User | None,
    auto_labels: Source | None = None,
    port: str = "flush",
    flush: int | None = None,
) -> int:
    """Send these tasks out of the flush port: labeled ones, or with `auto_labels` waiting ones that it has labels for.

    What somebody has labeled meanwhile is not for a flush of auto-labels. One call is one transaction. The events
    name the flush, by which `unflush` finds them.
    """
    with transaction.atomic():
        ids = moves.lock(stage.pk, task_ids, [TaskState.WAITING if auto_labels else TaskState.DONE])
        if not ids:
            return 0
        return moves.travel(
            stages=pipeline_of(stage.project_id), origin=stage, port=port, task_ids=ids, verb="flushed",
            by=by.pk if by else None, detail={"flush": flush} if flush else None, auto_labels=auto_labels,
        )  # fmt: skip


def unflush(*, stage: Stage, task_ids: Sequence[int], flush: int, by: User | None) -> int:
    """Tasks that a flush sent with an auto-label return, if nothing was done with them since; how many."""
    with transaction.atomic():
        moves.execute("SELECT id FROM labeling_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(task_ids)])
        untouched = moves.fetch(
            """
            WITH t AS MATERIALIZED (SELECT id, stage_id, annotation_id FROM labeling_task WHERE id = ANY(%s))
            SELECT t.id, s.name FROM t
            JOIN labeling_annotation a ON a.id = t.annotation_id AND a.source = 'model'
            JOIN projects_stage s ON s.id = t.stage_id
            CROSS JOIN LATERAL (
                SELECT verb, detail FROM labeling_taskevent WHERE task_id = t.id ORDER BY id DESC LIMIT 1
            ) last
            WHERE t.stage_id <> %s AND last.verb = 'flushed' AND last.detail->'flush' = to_jsonb(%s)
            """,
            [list(task_ids), stage.pk, flush],
        )
        ids = [row[0] for row in untouched]
        withdraw_entries(ids)
        moves.execute(
            """
            UPDATE labeling_task t SET annotation_id = (
                SELECT max(a.id) FROM labeling_annotation a WHERE a.task_id = t.id AND a.id < t.annotation_id
            ) WHERE t.id = ANY(%s)
            """,
            [ids],
        )
        for name, members in _by_stage([(pk, name) for pk, name in untouched]).items():
            moves.put(stage=stage, task_ids=members, verb="reverted", by=by.pk if by else None, origin=name)
    return len(ids)


def move_to(*, task_ids: Sequence[UUID], stage: Stage, by: User) -> int:
    """A manager puts tasks of the same project to work in another stage."""
    if stage.brick == "labelset-output" or not brick_of(stage).holds_tasks:
        raise Conflict(f"Tasks cannot be sent to {stage.name}: nobody works there.")
    with transaction.atomic():
        tasks = Task.objects.filter(uid__in=task_ids, project=stage.project_id).exclude(stage=stage)
        if stage.brick == "expert-review":
            tasks = tasks.filter(annotation__isnull=False)
        locked = _lock_with_stage(tasks)
        ids = [pk for pk, _ in locked]
        withdraw_entries(ids)
        for name, members in _by_stage(locked).items():
            moves.put(stage=stage, task_ids=members, verb="moved", by=by.pk, origin=name)
        if stage.brick == LEARNING:
            # Next time they go out by rank, with pre-labels to see: they are no measure of the model any more.
            unlabeled = Task.objects.filter(pk__in=ids, annotation=None)
            Prelabel.objects.filter(task__in=unlabeled).delete()
            unlabeled.update(is_audit=False, is_held_out=False)
    return len(ids)


def _lock_with_stage(tasks: Any) -> list[tuple[int, str]]:
    """(key, stage name) of the tasks, locked in the order of their keys.

    The names are read once the locks are held: a join would lose a task that changed its stage during the wait.
    """
    locked = list(tasks.order_by("pk").select_for_update(of=("self",)).values_list("pk", "stage_id"))
    names = dict(Stage.objects.filter(pk__in={stage for _, stage in locked}).values_list("pk", "name"))
    return [(pk, names[stage]) for pk, stage in locked]


def _by_stage(locked: Sequence[tuple[int, str]]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for pk, name in locked:
        grouped.setdefault(name, []).append(pk)
    return grouped


def _events_by_stage(
    locked: Sequence[tuple[int, str]], verb: str, by: User | None, detail: dict[str, Any] | None = None
) -> None:
    for name, members in _by_stage(locked).items():
        moves.write_events(members, verb=verb, by=by.pk if by else None, stage=name, detail=detail)


def _release(tasks: Any, by: User | None) -> int:
    locked = _lock_with_stage(tasks)
    Task.objects.filter(pk__in=[pk for pk, _ in locked]).update(
        state=TaskState.WAITING, assignee=None, leased_until=None, reserved_for=None
    )
    _events_by_stage(locked, "released", by)
    return len(locked)


def _freeze(task_ids: Sequence[int], prelabels: Source | None) -> None:
    """Pre-labels of exactly these tasks: copied where there is a prediction, none where there is not."""
    Prelabel.objects.filter(task_id__in=task_ids).delete()
    if prelabels:
        moves.execute(
            f"""
            INSERT INTO labeling_prelabel (task_id, labels, confidence, cycle, at)
            SELECT p.task_id, p.labels, p.confidence, p.cycle, now() FROM ({prelabels.sql}) p
            WHERE p.task_id = ANY(%s)
            """,  # noqa: S608
            [*prelabels.params, list(task_ids)],
        )
