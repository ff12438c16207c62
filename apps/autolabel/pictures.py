"""Small pictures with boxes on them: what the queue predicts, and where the model was most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.autolabel.models import Prediction
from apps.labeling.listing import boxes_on, palette_of
from apps.labeling.models import Task
from apps.projects.models import Stage
from apps.taxonomies import labels as label_json
from apps.warehouse.models import Datapoint

LOOKED_AT = 300
"""So many of the newest labels are compared with what was predicted for them."""
WORST = 6


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail and what is drawn over it."""

    datapoint: Datapoint
    boxes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A labeled image, what had been predicted for it, and how far the two agree."""

    task: Task
    agreement: float
    picture: Picture


def predicted(stage: Stage, rows: Sequence[Prediction]) -> dict[int, Picture]:
    """The picture of each prediction, by its task; read with `select_related("task__datapoint")`."""
    palette = palette_of(stage.project_id)
    return {
        row.task_id: Picture(row.task.datapoint, boxes_on(row.task.datapoint, row.labels, palette, "predicted"))
        for row in rows
    }


def worst(stage: Stage) -> list[Wrong]:
    """Of the images that were labeled last, those on which people and the frozen prediction agree least."""
    labeled = Task.objects.filter(
        project=stage.project_id, in_training_set=True, annotation__source="human", prelabel__isnull=False
    )
    rows = labeled.select_related("annotation", "prelabel", "datapoint").order_by("-annotation_id")[:LOOKED_AT]
    judged = [(label_json.agreement(row.prelabel.labels, _said(row)), row) for row in rows]
    lowest = sorted(judged, key=lambda pair: (pair[0], -(pair[1].prelabel.confidence or 0.0)))[:WORST]
    palette = palette_of(stage.project_id)
    return [Wrong(task, agreement, _compared(task, palette)) for agreement, task in lowest if agreement < 1]


def _said(task: Task) -> list[dict[str, Any]]:
    labels: list[dict[str, Any]] = task.annotation.labels if task.annotation else []
    return labels


def _compared(task: Task, palette: dict[int, Any]) -> Picture:
    """Labels drawn through, the prediction dashed."""
    said = boxes_on(task.datapoint, _said(task), palette)
    return Picture(task.datapoint, said + boxes_on(task.datapoint, task.prelabel.labels, palette, "predicted"))
