"""What people decide over the queue itself: send what they marked, accept auto-labels in bulk, take them back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import audit
from apps.accounts.models import User
from apps.autolabel import queue, services
from apps.autolabel.models import Prediction
from apps.autolabel.state import learner_of
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import ACTIVE, Run, RunStatus
from apps.labeling import transitions
from apps.labeling.models import Annotation, Batch, Task, TaskState
from apps.projects.models import Stage

REVERT = "revert"
CHUNK = 2000
SAMPLE = 8


def send_marked(stage: Stage, *, tasks: Sequence[uuid.UUID], by: User | None, key: uuid.UUID | None = None) -> Batch:
    """A batch of what somebody has picked, in the order of the queue; it is no random draw, so nothing is held out."""
    key = key or uuid.uuid4()
    with transaction.atomic():
        current = services.locked(stage).current
        if earlier := Batch.objects.filter(stage=stage, key=key).first():
            return earlier
        services.require_open(stage)
        order = queue.in_order(stage, current, tasks)
        if not order:
            raise Conflict("None of the marked images is in the queue any more.")
        batch = services.new_batch(stage, by, key, is_picked=True)
        services.send_tasks(batch, order, by=by, current=current, audits=[], held_out=[])
    return batch


def accept(stage: Stage, *, threshold: float, by: User | None, key: uuid.UUID | None = None) -> Run:
    """Auto-labels at or above the threshold leave for the output; what people labeled stays for a flush."""
    if learner_of(stage).current is None:
        raise Conflict("There are no auto-labels before the first cycle has ended.")
    return services.flush(stage, threshold=threshold, by=by, key=key, labeled=False)


def least_sure(stage: Stage, threshold: float) -> list[Prediction]:
    """A few of those that a threshold just lets through, for people to look at first."""
    current = learner_of(stage).current
    found = Prediction.objects.filter(
        cycle=current, confidence__gte=threshold, task__stage=stage, task__state=TaskState.WAITING
    )
    return list(found.select_related("task__datapoint").order_by("confidence")[:SAMPLE]) if current else []


def revert(flushed: Run, stage: Stage, *, by: User | None, key: uuid.UUID | None = None) -> Run:
    """Take back the auto-labels of a flush with which nothing was done since; their images return to the queue."""
    key = key or uuid.uuid4()
    with transaction.atomic():
        services.locked(stage)
        if earlier := services.asked(stage, key):
            return earlier
        services.require_ready(stage)
        [reversion] = _reversions([flushed])
        if not reversion.can_begin:
            raise Conflict("There is nothing to take back from this flush.")
        run = runs.create(
            organization=stage.project.organization, kind=REVERT, target=stage.pk, params={"flush": flushed.pk},
            requested_by=by, total=reversion.left, phase="Waiting",
        )  # fmt: skip
        services.hold(stage, run, key)
        audit.record(
            stage.project.organization, by, "took auto-labels back", f"{stage.project.name} / {stage.name}",
            flush=str(flushed.uid), auto_labels=reversion.left,
        )  # fmt: skip
        runs.enqueue(run)
    return run


@dataclass(frozen=True, slots=True)
class Reversion:
    """A flush that has ended, how many auto-labels it sent and how many were taken back, and the last run that did."""

    flush: Run
    auto: int
    taken: int
    run: Run | None

    @property
    def left(self) -> int:
        """At most: with some of them something was done since."""
        return self.auto - self.taken

    @property
    def can_begin(self) -> bool:
        if self.left <= 0 or self.flush.status in ACTIVE:
            return False
        return self.run is None or self.run.status in (RunStatus.FAILED, RunStatus.CANCELED) or self._began_again

    @property
    def _began_again(self) -> bool:
        """What was broken off, taken back, tried again: it has sent more since."""
        ended, taken = self.flush.ended_at, self.run.ended_at if self.run else None
        return ended is not None and taken is not None and taken < ended


def _reversions(flushes: Sequence[Run]) -> list[Reversion]:
    tried = Run.objects.filter(
        kind=REVERT, target__in={run.target for run in flushes}, params__flush__in=[run.pk for run in flushes]
    )
    of: dict[int, list[Run]] = {run.pk: [] for run in flushes}
    for run in tried.order_by("id"):
        of[run.params["flush"]].append(run)
    return [
        Reversion(
            flush=flush,
            auto=flush.result.get("auto", 0),
            taken=sum(run.result.get("reverted", 0) for run in of[flush.pk]),
            run=of[flush.pk][-1] if of[flush.pk] else None,
        )
        for flush in flushes
    ]


def reversions(stage: Stage, limit: int = 10) -> list[Reversion]:
    """The newest flushes that sent auto-labels, with what became of them."""
    flushes = Run.objects.filter(kind=services.FLUSH, target=stage.pk, result__auto__gt=0).exclude(status__in=ACTIVE)
    return _reversions(list(flushes.select_related("requested_by", "organization").order_by("-id")[:limit]))


def take_back(handle: runs.Handle) -> dict[str, Any]:
    """The job of a reversion: chunk after chunk, each one transaction; begun again it goes on where it stopped."""
    stage = Stage.objects.select_related("project__organization").get(pk=handle.run.target or 0)
    handle.progress(handle.run.result.get("reverted", 0), phase="Taking auto-labels back")
    last = 0
    while ids := list(_sent_by_model(stage).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        with handle.guard():
            taken = transitions.unflush(
                stage=stage, task_ids=ids, flush=handle.params["flush"], by=handle.run.requested_by
            )
            handle.count(reverted=taken)
        last = ids[-1]
        handle.progress(handle.run.result["reverted"])
    return {"reverted": 0, **handle.run.result}


def _sent_by_model(stage: Stage) -> QuerySet[Task]:
    """What has an auto-label of this stage and is no longer in it."""
    labeled = Task.objects.filter(project=stage.project_id, annotation__stage=stage)
    return labeled.filter(annotation__source=Annotation.Source.MODEL).exclude(stage=stage)
