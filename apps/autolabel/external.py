"""The door for a learner of one's own: a program outside predicts a cycle, this server measures, ranks and sends.

The run of such a cycle is open as one that waits for its last shard; that shard is the program's and no worker takes
it. To close the cycle is to finish the shard: a worker then calibrates what came, ranks it and makes it current, as
it does with the predictions of the built-in learner.

The program gets the labels of the training images alone. What it is asked to predict are the queue and, unmarked among
it, the held-out images: measured agreement and calibration come from images that it cannot have learned from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from apps.autolabel.models import Cycle, Learner, Prediction
from apps.autolabel.state import standing
from apps.common import runs
from apps.common.ending import hold
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus, Shard
from apps.labeling.models import Task, TaskState
from apps.projects.models import Stage

WAITING_FOR, CLOSING = "Waiting for predictions", "Closing"


def open_cycle(cycle: Cycle) -> None:
    """From now on the program may read and predict; inside the transaction that made the run or queued it again."""
    assert cycle.run_id is not None  # noqa: S101
    found = standing(cycle.stage)
    cycle.labeled, cycle.last_annotation, cycle.total = found.labeled, found.newest, found.total
    cycle.train_images = labeled(cycle).count()
    cycle.save(update_fields=["labeled", "last_annotation", "total", "train_images"])
    wanted = unlabeled(cycle).count()
    opened = Run.objects.filter(pk=cycle.run_id, status=RunStatus.QUEUED).update(
        status=RunStatus.RUNNING,
        attempt=F("attempt") + 1,
        started_at=Coalesce("started_at", Now()),
        heartbeat_at=None,
        phase=WAITING_FOR,
        phase_at=Now(),
        done=0,
        total=wanted,
        shards_left=1,
    )
    if opened:
        Shard.objects.create(run_id=cycle.run_id, number=0, size=wanted, status=RunStatus.RUNNING, attempt=1)


def open_cycle_of(stage: Stage) -> Cycle:
    """The cycle that waits for its program."""
    found = Cycle.objects.filter(_OPEN, stage=stage).select_related("stage__taxonomy", "run").first()
    if found is None:
        raise Conflict("No cycle of this stage waits for an external learner: trigger one.")
    return found


def cycle_of(stage: Stage, number: int) -> Cycle:
    """The cycle that takes predictions: an open one, or the current one, for images that came later."""
    current = Q(pk__in=Learner.objects.filter(stage=stage).values("current"), is_external=True)
    rows = Cycle.objects.filter(_OPEN | current, stage=stage, number=number).distinct()
    found = rows.select_related("stage__taxonomy", "run").first()
    if found is None:
        raise Conflict(f"Cycle {number} takes no predictions: it is neither open for an external learner nor current.")
    return found


_OPEN = Q(is_external=True, run__status=RunStatus.RUNNING, run__shards__status=RunStatus.RUNNING)


def is_open(cycle: Cycle) -> bool:
    return Shard.objects.filter(run=cycle.run_id, status=RunStatus.RUNNING).exists()


def labeled(cycle: Cycle) -> QuerySet[Task]:
    """What the program may learn from: as it stood when the cycle was opened, nothing held out."""
    return Task.objects.filter(
        project=cycle.stage.project_id,
        in_training_set=True,
        is_held_out=False,
        annotation__isnull=False,
        annotation_id__lte=cycle.last_annotation,
    )


def unlabeled(cycle: Cycle) -> QuerySet[Task]:
    """What it is to predict: the queue, and the held-out images among it."""
    queue = Q(stage=cycle.stage_id, state=TaskState.WAITING)
    return Task.objects.filter(queue | _HELD_OUT, project=cycle.stage.project_id)


_HELD_OUT = Q(in_training_set=True, is_held_out=True, annotation__isnull=False)


def unpredicted(cycle: Cycle) -> QuerySet[Task]:
    """Those of them that the program has not predicted yet; for a current cycle what came to the queue since."""
    known = Prediction.objects.filter(cycle=cycle, task=OuterRef("pk"))
    rows = unlabeled(cycle) if is_open(cycle) else unlabeled(cycle).exclude(_HELD_OUT)
    return rows.filter(~Exists(known))


def close_cycle(cycle: Cycle) -> Run:
    """All predictions are in: let a worker calibrate, rank and make them current."""
    if not Prediction.objects.filter(cycle=cycle).exists():
        raise Conflict(f"Cycle {cycle.number} has no predictions yet. Send some before closing it, or cancel it.")
    assert cycle.run_id is not None  # noqa: S101
    with transaction.atomic():
        hold(cycle.run_id)
        finished = Shard.objects.filter(run=cycle.run_id, status=RunStatus.RUNNING).update(
            status=RunStatus.DONE, done=F("size")
        )
        queued = Run.objects.filter(pk=cycle.run_id, status=RunStatus.RUNNING, shards_left=1).update(
            status=RunStatus.QUEUED, shards_left=0, enqueued_at=None, phase=CLOSING, phase_at=Now()
        )
        if not finished or not queued:
            raise Conflict(f"Cycle {cycle.number} is not open for predictions any more.")
        run = Run.objects.get(pk=cycle.run_id)
        runs.enqueue(run)
    return run


def task_ids(cycle: Cycle, uids: Iterable[Any]) -> dict[Any, tuple[int, bool]]:
    """Of the project's tasks among `uids`: the key, and whether the cycle wants a prediction of it."""
    rows = Task.objects.filter(project=cycle.stage.project_id, uid__in=list(uids))
    wanted = (unlabeled(cycle) if is_open(cycle) else unpredicted(cycle)).filter(pk=OuterRef("pk"))
    return {uid: (pk, asked) for uid, pk, asked in rows.values_list("uid", "pk", Exists(wanted))}
