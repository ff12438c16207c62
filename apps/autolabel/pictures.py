"""Small pictures with boxes on them: what the model predicts for the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.autolabel.models import Prediction
from apps.labeling.listing import boxes_on, palette_of
from apps.projects.models import Stage
from apps.warehouse.models import Datapoint


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail and what is drawn over it."""

    datapoint: Datapoint
    boxes: list[dict[str, Any]]


def predicted(stage: Stage, rows: Sequence[Prediction]) -> dict[int, Picture]:
    """The picture of each prediction, by its task; read with `select_related("task__datapoint")`."""
    palette = palette_of(stage.project_id)
    return {
        row.task_id: Picture(row.task.datapoint, boxes_on(row.task.datapoint, row.labels, palette, "predicted"))
        for row in rows
    }
