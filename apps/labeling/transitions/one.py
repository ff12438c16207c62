"""One task, one person: save, submit, review, skip, problems, undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Membership, User
from apps.common.http import Conflict
from apps.labeling.arrivals import UNDO_GUARDS
from apps.labeling.models import OPEN_STATES, Annotation, Comment, Draft, Task, TaskEvent, TaskState
from apps.labeling.transitions import moves
from apps.labeling.transitions.shared import (
    active_seconds,
    annotate,
    fresh,
    give_back,
    held,
    lease_end,
    leave,
    locked,
    parsed_labels,
    record,
    withdraw_entries,
)
from apps.projects.models import Project, Stage


def save(*, task_id: UUID, user: User, labels: object, seconds: float, revision: int) -> Task:
    """Keep unfinished work; the lease begins anew."""
    with transaction.atomic():
        task = held(task_id, user, revision)
        parsed = parsed_labels(task.stage, labels)
        Draft.objects.update_or_create(
            task=task, user=user, defaults={"labels": parsed, "seconds": active_seconds(seconds)}
        )
        if task.state == TaskState.ASSIGNED:
            moves.write_events([task.pk], verb="saved", by=user.pk, stage=task.stage.name)
        task.state = TaskState.IN_PROGRESS
        task.leased_until = lease_end(task.stage)
        task.revision += 1
        task.save(update_fields=["state", "leased_until", "revision"])
    return task


def submit(
    *, task_id: UUID, user: User, labels: object, seconds: float, revision: int, undecided: str | None = None
) -> Task:
    """The labeler is done: the annotation is kept and the task goes on to where it next rests.

    `undecided`, accept or drop, says what becomes of undecided pre-labels, instead of the project.
    """
    with transaction.atomic():
        task = held(task_id, user, revision)
        if task.stage.brick != "manual-labeling":
            raise Conflict(f"{task.stage.name} is not a labeling stage.", stage=task.stage.name)
        annotation = annotate(task, user, labels, seconds, undecided)
        leave(task, "next", "submitted", user)
    task.annotation = annotation
    return fresh(task)


def accept(
    *,
    task_id: UUID,
    user: User,
    seconds: float,
    revision: int,
    labels: object | None = None,
    undecided: str | None = None,
) -> Task:
    """The reviewer agrees, or corrects the labels and agrees, where the stage allows it."""
    with transaction.atomic():
        task = _reviewed(task_id, user, revision)
        verb = "accepted"
        if labels is not None and _differs(parsed_labels(task.stage, labels), _said(task)):
            if not task.stage.config.get("allow_edit", True):
                raise Conflict(f"Reviewers may not edit labels in {task.stage.name}.")
            annotate(task, user, labels, seconds, undecided)
            verb = "corrected"
        Draft.objects.filter(task=task, user=user).delete()
        leave(task, "passed", verb, user, seconds=active_seconds(seconds))
    return fresh(task)


def reject(*, task_id: UUID, user: User, comment: str, seconds: float, revision: int) -> Task:
    """The reviewer sends it back to who labeled it, with the reason."""
    if not comment.strip():
        raise Conflict("Say what is wrong, so that the labeler can put it right.")
    with transaction.atomic():
        task = _reviewed(task_id, user, revision)
        Comment.objects.create(task=task, author=user, stage_name=task.stage.name, text=comment.strip())
        Draft.objects.filter(task=task, user=user).delete()
        author = task.annotation.author_id if task.annotation else None
        back = author if author and _is_member(author, task.project) else None
        detail = {"comment": comment.strip()[:500]}
        leave(task, "failed", "rejected", user, reserved_for=back, seconds=active_seconds(seconds), **detail)
    return fresh(task)


def skip(*, task_id: UUID, user: User, reason: str = "") -> Task:
    """Give it back unlabeled; it comes last."""
    with transaction.atomic():
        task = held(task_id, user)
        give_back(task)
        task.priority = min(task.priority, 0.0) - 1
        task.reserved_for = None
        task.save(update_fields=["state", "assignee", "leased_until", "priority", "reserved_for"])
        detail = {"reason": reason.strip()[:500]} if reason.strip() else None
        moves.write_events([task.pk], verb="skipped", by=user.pk, stage=task.stage.name, detail=detail)
    return task


def report_problem(*, task_id: UUID, user: User, text: str) -> Task:
    """Nobody gets it until a manager has resolved what is wrong with it."""
    if not text.strip():
        raise Conflict("Say what the problem is.")
    with transaction.atomic():
        task = held(task_id, user)
        Comment.objects.create(task=task, author=user, stage_name=task.stage.name, text=text.strip())
        give_back(task)
        task.state = TaskState.PROBLEM
        task.reserved_for = user
        task.revision += 1
        task.save(update_fields=["state", "assignee", "leased_until", "reserved_for", "revision"])
        detail = {"text": text.strip()[:500]}
        moves.write_events([task.pk], verb="problem", by=user.pk, stage=task.stage.name, detail=detail)
    return task


def resolve_problem(*, task_id: UUID, by: User, text: str = "", to_reporter: bool = True) -> Task:
    """Back into the queue: to who reported it, on top, or to anybody."""
    with transaction.atomic():
        task = locked(task_id)
        if task.state != TaskState.PROBLEM:
            raise Conflict("No problem is reported on this task.", task_state=task.state)
        Comment.objects.filter(task=task, resolved_at=None).update(resolved_at=timezone.now())
        if text.strip():
            Comment.objects.create(task=task, author=by, stage_name=task.stage.name, text=text.strip())
        task.state = TaskState.WAITING
        task.reserved_for = task.reserved_for if to_reporter else None
        task.revision += 1
        task.save(update_fields=["state", "reserved_for", "revision"])
        moves.write_events([task.pk], verb="resolved", by=by.pk, stage=task.stage.name)
    return task


def reopen(*, task_id: UUID, user: User) -> Task:
    """Undo one's own last submit, as long as nobody has worked with it since."""
    with transaction.atomic():
        task = locked(task_id)
        event = TaskEvent.objects.filter(task=task).order_by("-id").first()
        if event is None or event.verb != "submitted" or event.actor_id != user.pk:
            raise Conflict("Somebody has worked on this task since you submitted it.", revision=task.revision)
        if (guard := UNDO_GUARDS.get(task.stage.brick)) and (reason := guard(task)):
            raise Conflict(reason)
        stage = Stage.objects.select_related("taxonomy").get(project=task.project, name=event.from_stage)
        _take_back(task, stage, user)
        detail = {"annotation": event.annotation_id}
        TaskEvent.objects.create(
            task=task, verb="reopened", actor=user, from_stage=event.to_stage, to_stage=stage.name, detail=detail
        )
    return task


def submit_remote(*, task_id: UUID, author: User, labels: object) -> Task:
    """A program has labeled the task."""
    with transaction.atomic():
        task = locked(task_id)
        if task.stage.brick != "remote-labeling" or task.state not in OPEN_STATES:
            raise Conflict(f"The task is not waiting for a program: it is in {task.stage.name}.", stage=task.stage.name)
        parsed = parsed_labels(task.stage, labels)
        for label in parsed:
            label["source"] = "import"
        record(task, author, parsed, 0.0, Annotation.Source.PROGRAM)
        leave(task, "next", "labeled", author)
    return fresh(task)


def _reviewed(task_id: UUID, user: User, revision: int) -> Task:
    task = held(task_id, user, revision)
    if task.stage.brick != "expert-review":
        raise Conflict(f"{task.stage.name} is not a review stage.", stage=task.stage.name)
    return task


def _said(task: Task) -> Sequence[Mapping[str, Any]]:
    return task.annotation.labels if task.annotation else []


def _differs(new: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]]) -> bool:
    """Whether class, geometry or attributes of any label changed."""

    def essence(labels: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        return sorted(
            (label["category"], tuple(round(part, 9) for part in label["bbox"]), repr(label.get("attributes") or {}))
            for label in labels
        )

    return essence(new) != essence(old)


def _is_member(user_id: int, project: Project) -> bool:
    return Membership.objects.filter(organization=project.organization_id, user=user_id).exists()


def _take_back(task: Task, stage: Stage, user: User) -> None:
    """The task to its labeler in `stage`, the undone annotation as the labeler's draft, the one before as current."""
    undone = task.annotation
    if undone is not None:
        Draft.objects.update_or_create(
            task=task, user=user, defaults={"labels": undone.labels, "seconds": undone.seconds}
        )
        task.annotation = Annotation.objects.filter(task=task, pk__lt=undone.pk).order_by("-pk").first()
    withdraw_entries([task.pk])
    task.stage, task.state, task.assignee, task.leased_until = stage, TaskState.IN_PROGRESS, user, lease_end(stage)
    task.in_training_set = False
    task.reserved_for = None
    task.revision += 1
    task.save(
        update_fields=["stage", "state", "assignee", "leased_until", "annotation", "in_training_set", "revision"]
        + ["reserved_for"]
    )
