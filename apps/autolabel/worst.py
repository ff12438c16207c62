"""The held-out images on which a model agrees least with people: noted with its cycle, drawn on the dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.autolabel.models import Cycle
from apps.autolabel.pictures import Picture
from apps.labeling.listing import boxes_on, palette_of
from apps.labeling.models import Task
from apps.taxonomies import labels as label_json

KEPT = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out image: what was predicted for it, how sure of it, and how far people agree."""

    task: int
    agreement: float
    confidence: float
    labels: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """The same as the page shows it."""

    task: Task
    agreement: float
    confidence: float
    picture: Picture


def worst_of(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """Those to keep with the cycle: the least agreement first, of equal ones the surest."""
    wrong = [each for each in judged if each.agreement < 1]
    lowest = sorted(wrong, key=lambda each: (each.agreement, -each.confidence))[:KEPT]
    return [{"task": each.task, "confidence": each.confidence, "labels": each.labels} for each in lowest]


def worst(cycle: Cycle) -> list[Wrong]:
    """What the cycle's model got most wrong, against what people say now. It has seen none of these images."""
    kept = {each["task"]: each for each in cycle.metrics.get("worst", [])}
    tasks = Task.objects.filter(pk__in=kept, annotation__isnull=False).select_related("annotation", "datapoint")
    palette = palette_of(cycle.stage.project_id)
    found = [_compared(task, kept[task.pk], palette) for task in tasks]
    return sorted(found, key=lambda each: (each.agreement, -each.confidence))


def _compared(task: Task, kept: dict[str, Any], palette: dict[int, Any]) -> Wrong:
    """Labels drawn through, the prediction dashed."""
    said = task.annotation.labels if task.annotation else []
    drawn = boxes_on(task.datapoint, said, palette) + boxes_on(task.datapoint, kept["labels"], palette, "predicted")
    agreement = label_json.agreement(kept["labels"], said)
    return Wrong(task, agreement, kept["confidence"], Picture(task.datapoint, drawn))
