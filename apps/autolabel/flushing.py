"""The job of a flush: chunk after chunk, each one transaction, until nothing that it names is left."""

from __future__ import annotations

from typing import Any

from apps.autolabel import queue
from apps.autolabel.models import Cycle, Prediction
from apps.common.runs import Handle
from apps.labeling import transitions
from apps.labeling.models import Task, TaskState
from apps.projects.models import Stage

CHUNK = 2000


def flush(handle: Handle) -> dict[str, Any]:
    """What left earlier is no longer here, so a flush that begins again goes on where it stopped.

    How many left is counted in the transaction that moves them.
    """
    stage = Stage.objects.select_related("project").get(pk=handle.run.target or 0)
    cycle = Cycle.objects.filter(pk=handle.params["cycle"]).first()
    threshold = handle.params["threshold"]
    if handle.params.get("labeled", True):
        handle.progress(_moved(handle), phase="Flushing labeled images")
        while _labeled_pass(handle, stage):
            pass
    if cycle:
        handle.progress(_moved(handle), phase="Flushing auto-labels")
        _predicted(handle, stage, cycle, threshold)
    return {"labeled": 0, "auto": 0, **handle.run.result}


def _moved(handle: Handle) -> int:
    return int(sum(handle.run.result.values()))


def _labeled_pass(handle: Handle, stage: Stage) -> int:
    """Once through what is labeled here, by the index; what comes back meanwhile is for the next pass."""
    passed, last = 0, -1.0
    here = Task.objects.filter(stage=stage, state=TaskState.DONE).order_by("shuffle").values_list("pk", "shuffle")
    while rows := list(here.filter(shuffle__gt=last)[:CHUNK]):
        with handle.guard():
            ids = [pk for pk, _ in rows]
            moved = transitions.flush_move(stage=stage, task_ids=ids, by=handle.run.requested_by, flush=handle.run.pk)
            handle.count(labeled=moved)
        passed += moved
        last = rows[-1][1]
        handle.progress(_moved(handle))
    return passed


def _predicted(handle: Handle, stage: Stage, cycle: Cycle, threshold: float) -> None:
    """Once through the predictions in the order of their tasks, which is that of the index.

    What has left or was labeled meanwhile is passed over by the move: joined here, tasks of other states could make
    PostgreSQL sort all that is left anew for every chunk.
    """
    auto_labels = queue.predictions(cycle, threshold)
    sure = Prediction.objects.filter(cycle=cycle, confidence__gte=threshold).order_by("task_id")
    last = 0
    while ids := list(sure.filter(task_id__gt=last).values_list("task_id", flat=True)[:CHUNK]):
        with handle.guard():
            moved = transitions.flush_move(
                stage=stage,
                task_ids=ids,
                by=handle.run.requested_by,
                auto_labels=auto_labels,
                flush=handle.run.pk,
            )
            handle.count(auto=moved)
        last = ids[-1]
        handle.progress(_moved(handle))
