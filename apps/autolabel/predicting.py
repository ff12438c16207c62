"""Predictions of the queue: cut into shards, written by COPY, ranked; tasks that arrive later are fitted in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Avg, Count, Exists, OuterRef
from django.utils import timezone

from apps.autolabel import files, learning, ranking
from apps.autolabel.models import Cycle, Learner, Prediction, Unreadable
from apps.common.runs import Failure, Handle, Part, ShardHandle
from apps.detector.calibrate import Calibration
from apps.detector.predict import Detector
from apps.detector.types import Predicted
from apps.labeling.models import Task
from apps.projects.models import Stage

SMALLEST_SHARD, MOST_SHARDS = 200, 5000
CHUNK = 500
DELETED_AT_ONCE = 50_000


def parts(stage: Stage) -> list[Part]:
    """The queue cut by task id, every shard about as big."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH waiting AS (
                SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS total
                FROM labeling_task WHERE stage_id = %s AND state = 'waiting'
            )
            SELECT min(id), max(id), count(*) FROM waiting
            GROUP BY place / greatest(%s, total / %s) ORDER BY 1
            """,
            [stage.pk, SMALLEST_SHARD, MOST_SHARDS],
        )
        return [Part({"first": first, "last": last}, size) for first, last, size in cursor.fetchall()]


def predict_shard(handle: ShardHandle) -> None:
    """Predict the tasks of one shard that are still in the queue; written and finished in one transaction."""
    cycle = Cycle.objects.select_related("stage").get(run=handle.run)
    first, last = handle.params["first"], handle.params["last"]
    tasks = waiting(cycle.stage).filter(pk__gte=first, pk__lte=last)
    rows, unreadable = _predict(cycle, tasks.iterator(CHUNK), handle)
    with handle.guard():
        Prediction.objects.filter(cycle=cycle, task_id__gte=first, task_id__lte=last).delete()
        store(cycle, rows)
        learning.note_unreadable(cycle, unreadable)
        handle.finish({"predicted": len(rows), "unreadable": len(unreadable)})


def waiting(stage: Stage) -> Any:
    return Task.objects.filter(stage=stage, state="waiting").select_related("datapoint__storage").order_by("pk")


def close(handle: Handle) -> dict[str, Any]:
    """Rank what was predicted and make the cycle current; then forget the predictions of the one before."""
    cycle = Cycle.objects.select_related("stage__project").get(run=handle.run)
    began = handle.run.phase_at if handle.run.phase == learning.PREDICTING else None
    seconds = (timezone.now() - began).total_seconds() if began else None
    figures = Prediction.objects.filter(cycle=cycle).aggregate(count=Count("id"), mean=Avg("confidence"))
    handle.progress(0, figures["count"], learning.RANKING)
    head = ranking.ranks_of(cycle)
    with handle.guard():
        ranking.write_ranks(cycle, head)
        cycle.predict_seconds, cycle.mean_confidence = seconds, figures["mean"]
        cycle.save(update_fields=["predict_seconds", "mean_confidence"])
        learning.make_current(cycle)
    return {"predicted": figures["count"], "unreadable": cycle.unreadable.count(), "cycle": cycle.number}


def forget_others(cycle: Cycle) -> None:
    """Drop the predictions of cycles that are no longer current, a few at a time, and their checkpoints.

    A checkpoint that cannot be deleted now is left for the next cycle to delete.
    """
    old = Cycle.objects.filter(stage=cycle.stage_id, number__lt=cycle.number).exclude(checkpoint_path="")
    for pk, name in old.values_list("pk", "checkpoint_path"):
        if files.try_to_drop(name):
            Cycle.objects.filter(pk=pk).update(checkpoint_path="")
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "DELETE FROM autolabel_prediction WHERE id IN (SELECT p.id FROM autolabel_prediction p"
                " JOIN autolabel_cycle c ON c.id = p.cycle_id WHERE c.stage_id = %s AND c.number < %s LIMIT %s)",
                [cycle.stage_id, cycle.number, DELETED_AT_ONCE],
            )
            if cursor.rowcount < DELETED_AT_ONCE:
                return


def score_arrivals(handle: Handle) -> dict[str, Any]:
    """Predict tasks that came to the queue after the current cycle had cut it into shards."""
    scored = 0
    while True:
        learner = Learner.objects.select_related("current__stage").filter(stage=handle.run.target).first()
        if learner is None or learner.current is None or learner.current.is_external:
            return {"scored": scored}
        cycle = learner.current
        tasks = list(_unscored(cycle)[:CHUNK])
        if not tasks:
            return {"scored": scored}
        rows, unreadable = _predict(cycle, iter(tasks), handle)
        with handle.guard():
            learning.note_unreadable(cycle, unreadable)
            store(cycle, rows)
            ranking.fit_in(cycle, [row.key for row in rows])
        scored += len(rows)


def has_unscored(cycle: Cycle) -> bool:
    return bool(_unscored(cycle).exists())


def _unscored(cycle: Cycle) -> Any:
    known = Prediction.objects.filter(cycle=cycle, task=OuterRef("pk"))
    failed = Unreadable.objects.filter(cycle=cycle, task=OuterRef("pk"))
    return waiting(cycle.stage).filter(~Exists(known), ~Exists(failed))


def _predict(
    cycle: Cycle, tasks: Iterator[Task], handle: Handle | ShardHandle
) -> tuple[list[Predicted], dict[int, str]]:
    if cycle.calibration is None:
        raise Failure(f"Cycle {cycle.number} has no calibration.")
    calibration = Calibration.from_json(cycle.calibration)
    detector = Detector(files.path_of(cycle.model_path))
    unreadable: dict[int, str] = {}
    rows: list[Predicted] = []
    items = ((task.pk, learning.source_of(task)) for task in tasks)
    for raw in detector.predict(items, on_error=lambda key, error: unreadable.update({key: str(error)})):
        rows.append(calibration.apply(raw))
        handle.progress(len(rows) + len(unreadable))
    return rows, unreadable


def store(cycle: Cycle, rows: Sequence[Predicted]) -> None:
    """Write predictions by COPY; one that is there already stays, and so does a task that was deleted meanwhile.

    Embeddings are kept for the one strategy that asks for them: they are a third of a row.
    """
    is_diverse = cycle.strategy == "diverse"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS arriving"
            " (task_id bigint, labels jsonb, confidence float8, embedding bytea) ON COMMIT DROP"
        )
        cursor.execute("TRUNCATE arriving")
        with cursor.copy("COPY arriving (task_id, labels, confidence, embedding) FROM STDIN") as copy:
            for row in rows:
                labels = json.dumps(learning.label_json_of(row, cycle.number))
                embedding = row.embedding.astype(np.float16).tobytes() if is_diverse else None
                copy.write_row((row.key, labels, row.confidence, embedding))
        cursor.execute(
            "INSERT INTO autolabel_prediction (cycle_id, task_id, labels, confidence, embedding)"
            " SELECT %s, a.task_id, a.labels, a.confidence, a.embedding FROM arriving a"
            " JOIN labeling_task t ON t.id = a.task_id ON CONFLICT (cycle_id, task_id) DO NOTHING",
            [cycle.pk],
        )
