"""An external learner's cycle as it closes: agreement on the held-out images, calibration, scores to confidences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection

from apps.autolabel import learning, quality
from apps.autolabel.models import Cycle, Prediction
from apps.autolabel.worst import Judged, worst_of
from apps.common.runs import Handle
from apps.detector import outside
from apps.detector.calibrate import Calibration, calibration_error
from apps.detector.evaluate import average_precision
from apps.detector.types import FloatArray, Raw
from apps.taxonomies import labels as label_json

ROWS_AT_ONCE = 5000


def measure(handle: Handle) -> None:
    """Before its predictions are ranked. Begun again after an interruption it goes on where it stopped."""
    cycle = Cycle.objects.select_related("stage__project").get(run=handle.run)
    if not cycle.is_external:
        return
    if cycle.calibration is None:
        handle.progress(0, 0, learning.CALIBRATING)
        _calibrate(handle, cycle)
    _apply(handle, cycle, Calibration.from_json(cycle.calibration or {}))


def _calibrate(handle: Handle, cycle: Cycle) -> None:
    rows = list(
        Prediction.objects.filter(cycle=cycle, task__in=learning.held_out(cycle.stage))
        .select_related("task__annotation", "task__batch__flush_check")
        .order_by("task")
    )
    scores = np.array([row.score for row in rows], dtype=np.float64)
    reached = np.array([label_json.agreement(row.labels, learning.labels_of(row.task)) for row in rows])
    calibration = outside.fit(scores, reached)
    confidence = outside.cross_fitted(scores, reached)
    # A check drawn from confident images alone says nothing of the whole.
    whole = np.array([not learning.is_partial(row.task) for row in rows], dtype=np.bool_)
    measured = quality.measure(reached[whole].tolist())
    with handle.guard():
        cycle.calibration = calibration.to_json()
        cycle.held_out_images, cycle.agreement_n = len(rows), measured.n
        cycle.agreement, cycle.agreement_low, cycle.agreement_high = measured.mean, measured.low, measured.high
        cycle.scored = np.stack([confidence[whole], reached[whole]], 1).tolist()
        judged = [
            Judged(row.task_id, float(agreed), float(sure), row.labels)
            for row, agreed, sure in zip(rows, reached, confidence, strict=True)
        ]
        figures = _calibration_figures(calibration, confidence[whole], reached[whole])
        drawn = [rows[n] for n in np.flatnonzero(whole)]
        cycle.metrics = _metrics(cycle, drawn) | figures | {"worst": worst_of(judged)}
        cycle.save(
            update_fields=["calibration", "held_out_images", "agreement", "agreement_low", "agreement_high"]
            + ["agreement_n", "scored", "metrics"]
        )
        # They have told what they are for; the queue's are what stays.
        Prediction.objects.filter(pk__in=[row.pk for row in rows]).delete()


def _metrics(cycle: Cycle, rows: Sequence[Prediction]) -> dict[str, Any]:
    known = learning.class_ids(cycle.stage)
    truths = [learning.truth_of(learning.labels_of(row.task), set(known)) for row in rows]
    precision = average_precision([_raw(row) for row in rows], truths, known)
    per_class = {str(class_id): value for class_id, value in precision["per_class"].items()}
    return {"ap": precision["ap"], "ap50": precision["ap50"], "per_class": per_class}


def _raw(row: Prediction) -> Raw:
    boxes = np.array([label["bbox"] for label in row.labels], dtype=np.float64).reshape(-1, 4)
    classes = np.array([label["category"] for label in row.labels], dtype=np.int64)
    scores = np.array([label["confidence"] for label in row.labels], dtype=np.float64)
    return Raw(row.task_id, boxes, classes, scores, np.ones(len(boxes), dtype=np.bool_), np.zeros(0))


def _calibration_figures(calibration: Calibration, confidence: FloatArray, reached: FloatArray) -> dict[str, Any]:
    enough = len(confidence) >= quality.MINIMUM_IMAGES
    return {
        "calibrated": calibration.calibrated,
        "calibration_missing": calibration.missing,
        "calibration_error": calibration_error(confidence, reached) if enough else None,
    }


def _apply(handle: Handle, cycle: Cycle, calibration: Calibration) -> None:
    """Confidences from the scores, which stay as they came: done twice it says the same."""
    found = Prediction.objects.filter(cycle=cycle)
    handle.progress(0, found.count(), learning.CALIBRATING)
    last, done = 0, 0
    while rows := list(
        found.filter(task_id__gt=last).order_by("task_id").values_list("pk", "score", "task_id")[:ROWS_AT_ONCE]
    ):
        keys, scores, tasks = zip(*rows, strict=True)
        confidence = calibration.agreement(np.array(scores, dtype=np.float64)).tolist()
        with handle.guard(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE autolabel_prediction p SET confidence = c.confidence"
                " FROM unnest(%s::bigint[], %s::float8[]) AS c(id, confidence) WHERE p.id = c.id",
                [list(keys), confidence],
            )
        last, done = tasks[-1], done + len(rows)
        handle.progress(done)
