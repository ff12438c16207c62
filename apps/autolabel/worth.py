"""What the model is worth to the people: hours saved and to go, how precise it is by class."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import IntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from apps.autolabel import quality
from apps.autolabel.acceptance import REVERT
from apps.autolabel.models import Cycle
from apps.autolabel.services import FLUSH
from apps.common.models import Run
from apps.projects.models import Stage
from apps.taxonomies.models import Category


@dataclass(frozen=True, slots=True)
class Work:
    """Hours that people spent, that auto-labels have saved, and that are to go by hand or after the next flush."""

    spent: float
    seconds: float | None
    boxes: float | None
    saved: quality.Savings
    to_go: quality.Savings
    after_flush: quality.Savings
    wanted: float


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """AP50 of a class on the held-out images; None where none of them has it."""

    name: str
    color: int
    ap50: float | None


def work(stage: Stage, *, labeled: int, total: int, levels: list[quality.Level], wanted: float) -> Work | None:
    """From what people did with the pre-labels they were shown, and how long an image took them."""
    if not labeled:
        return None
    drawn, boxes, seconds, spent = _by_hand(stage)
    by_model = _by_model(stage)
    left = max(0, total - labeled - by_model)
    offer = quality.lowest_for(levels, wanted)

    def worth(images: int) -> quality.Savings:
        return quality.savings(labeled=labeled, total=total, drawn=drawn, boxes=boxes, seconds=seconds, to_flush=images)

    saved = worth(by_model)
    after = worth(max(0, left - (offer.count if offer else 0)))
    return Work(spent / 3600, seconds, saved.box_share, saved, worth(left), after, wanted)


def _by_hand(stage: Stage) -> tuple[int, int, float | None, float]:
    """Boxes drawn and all boxes where pre-labels were shown; mean active seconds an image, and their sum."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum((a.edits ->> 'added')::int), 0), coalesce(sum((a.edits ->> 'boxes')::int), 0),
                avg(a.seconds) FILTER (WHERE a.seconds > 0), coalesce(sum(a.seconds), 0)
            FROM labeling_task t JOIN labeling_annotation a ON a.id = t.annotation_id
            WHERE t.project_id = %s AND t.in_training_set
            """,
            [stage.project_id],
        )
        drawn, boxes, seconds, spent = cursor.fetchone()
    return drawn, boxes, seconds, spent


def _by_model(stage: Stage) -> int:
    """Auto-labels that have left and were not taken back, whether or not all ended that was begun."""

    def total(kind: str, key: str) -> int:
        runs = Run.objects.filter(kind=kind, target=stage.pk)
        value = Cast(KT(f"result__{key}"), IntegerField())
        return int(runs.aggregate(total=Sum(value))["total"] or 0)

    return max(0, total(FLUSH, "auto") - total(REVERT, "reverted"))


def precision(stage: Stage, cycle: Cycle | None) -> list[ClassPrecision]:
    """The least precise class first."""
    measured = cycle.metrics.get("per_class", {}) if cycle else {}
    rows = [
        ClassPrecision(category.name, category.color, measured.get(str(category.class_id)))
        for category in Category.objects.filter(taxonomy=stage.taxonomy_id).order_by("class_id")
    ]
    return sorted(rows, key=lambda row: (row.ap50 is None, row.ap50 or 0.0)) if measured else []
