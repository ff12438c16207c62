"""What the work took: tasks and active seconds a member and a day, a cycle, and how pre-labels fared by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils.safestring import SafeString

from apps.accounts.models import User
from apps.common import charts
from apps.labeling.models import Annotation, TaskEvent
from apps.labeling.transitions.moves import fetch
from apps.projects.models import Project, Stage
from apps.taxonomies.models import Category


@dataclass(frozen=True, slots=True)
class MemberRow:
    name: str
    tasks: int
    boxes: int
    seconds: float
    reviews: int

    @property
    def seconds_a_task(self) -> float:
        return self.seconds / self.tasks if self.tasks else 0.0

    @property
    def seconds_a_box(self) -> float | None:
        return self.seconds / self.boxes if self.boxes else None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How pre-labels of one class fared: kept as they were or moved, re-classed, deleted; and boxes added."""

    name: str
    color: int
    shown: int
    kept: int
    added: int

    @property
    def acceptance(self) -> float | None:
        return self.kept / self.shown if self.shown else None


@dataclass(frozen=True, slots=True)
class Period:
    """Which work is counted: of a project, in one of its stages or in all, since when."""

    project: Project
    stage: Stage | None
    since: datetime


def said_by_people(asked: Period) -> QuerySet[Annotation]:
    rows = Annotation.objects.filter(task__project=asked.project, source=Annotation.Source.HUMAN, at__gte=asked.since)
    return rows.filter(stage=asked.stage) if asked.stage else rows


def members(asked: Period) -> list[MemberRow]:
    project, stage, since = asked.project, asked.stage, asked.since
    said = fetch(
        """
        SELECT u.id, coalesce(nullif(u.name, ''), u.email), count(*), sum(jsonb_array_length(a.labels)), sum(a.seconds)
        FROM labeling_annotation a JOIN labeling_task t ON t.id = a.task_id JOIN accounts_user u ON u.id = a.author_id
        WHERE t.project_id = %s AND a.source = 'human' AND a.at >= %s AND (%s::bigint IS NULL OR a.stage_id = %s)
        GROUP BY u.id ORDER BY count(*) DESC, u.id
        """,
        [project.pk, since, stage.pk if stage else None, stage.pk if stage else None],
    )
    verbs = TaskEvent.objects.filter(
        task__project=project, verb__in=["accepted", "corrected", "rejected"], at__gte=since
    )
    if stage:
        verbs = verbs.filter(from_stage=stage.name)
    reviews = dict(verbs.exclude(actor=None).order_by().values_list("actor").annotate(count=Count("pk")))
    rows = [
        MemberRow(name, tasks, boxes or 0, seconds or 0.0, reviews.pop(key, 0))
        for key, name, tasks, boxes, seconds in said
    ]
    only = User.objects.filter(pk__in=reviews).order_by("pk")
    return rows + [MemberRow(str(user), 0, 0, 0.0, reviews[user.pk]) for user in only]


def days(asked: Period) -> list[tuple[date, int, float]]:
    """(day, tasks, active seconds)."""
    rows = said_by_people(asked).order_by().annotate(day=TruncDate("at")).values_list("day")
    return [
        (day, count, seconds or 0.0)
        for day, count, seconds in rows.annotate(count=Count("pk"), seconds=Sum("seconds")).order_by("day")
    ]


def cycles(project: Project) -> list[dict[str, Any]]:
    """Seconds an image and a box against the cycle whose predictions the labeler began from; 0: from nothing."""
    rows = fetch(
        """
        SELECT coalesce(p.cycle, 0), count(*), avg(a.seconds),
            sum(a.seconds) / nullif(sum(jsonb_array_length(a.labels)), 0)
        FROM labeling_annotation a JOIN labeling_task t ON t.id = a.task_id
        LEFT JOIN labeling_prelabel p ON p.task_id = t.id AND NOT t.is_audit
        WHERE t.project_id = %s AND a.source = 'human' AND a.seconds > 0
        GROUP BY 1 ORDER BY 1
        """,
        [project.pk],
    )
    return [dict(zip(("cycle", "images", "seconds_image", "seconds_box"), row, strict=True)) for row in rows]


def cycles_chart(rows: Sequence[Mapping[str, Any]]) -> SafeString | None:
    """Seconds an image and a box against the cycle of the pre-labels; nothing before there are two to compare."""
    if len(rows) < 2:
        return None
    series = [
        charts.Series("Seconds an image", "human", [(row["cycle"], row["seconds_image"]) for row in rows]),
        charts.Series("Seconds a box", "model", [(row["cycle"], row["seconds_box"]) for row in rows]),
    ]
    highest = max(y for line in series for _, y in line.known)
    return charts.line_chart(
        series,
        "Cycle of the pre-labels (0: none)",
        "Seconds",
        highest * 1.05,
        title="Seconds an image and a box by cycle",
        y_format=charts.number,
    )


def classes(project: Project, since: datetime) -> list[ClassRow]:
    """By the class of the pre-label; an added box by its own."""
    rows = fetch(
        """
        WITH work AS (
            SELECT DISTINCT ON (a.task_id) a.task_id, a.labels AS said, p.labels AS shown
            FROM labeling_annotation a JOIN labeling_task t ON t.id = a.task_id
            JOIN labeling_prelabel p ON p.task_id = t.id
            WHERE t.project_id = %s AND NOT t.is_audit AND a.source = 'human' AND a.edits IS NOT NULL AND a.at >= %s
            ORDER BY a.task_id, a.id DESC
        ), shown AS (
            SELECT task_id, b->>'id' AS id, (b->>'category')::int AS class FROM work, jsonb_array_elements(shown) b
        ), said AS (
            SELECT task_id, b->>'from' AS origin, (b->>'category')::int AS class FROM work, jsonb_array_elements(said) b
        )
        SELECT class, sum(shown), sum(kept), sum(added) FROM (
            SELECT shown.class, 1 AS shown, (said.class IS NOT NULL)::int AS kept, 0 AS added FROM shown
            LEFT JOIN said ON said.task_id = shown.task_id AND said.origin = shown.id AND said.class = shown.class
            UNION ALL SELECT class, 0, 0, 1 FROM said WHERE origin IS NULL
        ) counted GROUP BY class ORDER BY class
        """,
        [project.pk, since],
    )
    known = {
        row.class_id: row
        for row in Category.objects.filter(taxonomy__stages__project=project).order_by("taxonomy__version")
    }
    return [
        ClassRow(
            known[key].name if key in known else str(key), known[key].color if key in known else 0, *map(int, counts)
        )
        for key, *counts in rows
    ]


def totals(asked: Period) -> dict[str, Any]:
    counted: dict[str, Any] = said_by_people(asked).aggregate(
        average=Avg("seconds"), tasks=Count("pk"), seconds=Sum("seconds")
    )
    return counted


def since_days(days: int, at: datetime) -> datetime:
    return at - timedelta(days=days)
