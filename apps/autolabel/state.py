"""What an active-learning stage has: its learner, its training set, what a flush would send. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, Max, Q, QuerySet

from apps.autolabel import quality
from apps.autolabel.models import Cycle, FlushCheck, Learner, Prediction, StageRun
from apps.common.http import Conflict
from apps.common.models import ACTIVE, Run
from apps.labeling.models import OPEN_STATES, Batch, Task, TaskState
from apps.projects.bricks import BRICKS, LEARNING
from apps.projects.models import Stage
from apps.taxonomies import labels as label_json

MINIMUM_TRAINING_IMAGES = 10


@dataclass(frozen=True, slots=True)
class Flushable:
    """What a flush would send: with human labels, with auto-labels; what stays for want of confidence or prediction."""

    labeled: int
    auto: int
    below: int
    unpredicted: int

    @property
    def total(self) -> int:
        return self.labeled + self.auto


@dataclass(frozen=True, slots=True)
class Standing:
    """Labeled tasks, all tasks, and the newest annotation there is."""

    labeled: int
    total: int
    newest: int


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Images that would be trained on, those of them with a box, and what has come since the last cycle."""

    images: int
    with_box: int
    held_out: int
    new: int

    @property
    def missing(self) -> int:
        return max(0, MINIMUM_TRAINING_IMAGES - self.with_box)

    @property
    def reason(self) -> str:
        """Why no cycle can be triggered; empty when one can."""
        if not self.missing:
            return ""
        images = "image" if self.missing == 1 else "images"
        return (
            f"{self.missing} more labeled {images} with a box needed before a cycle: "
            f"{self.with_box} of {MINIMUM_TRAINING_IMAGES} are there, besides {self.held_out} held out for measuring."
        )


def option(stage: Stage, name: str) -> Any:
    return stage.config.get(name, BRICKS[LEARNING].options[name])


def learner_of(stage: Stage) -> Learner:
    if stage.brick != LEARNING:
        raise Conflict(f"{stage.name} is not an active-learning stage.")
    learner = Learner.objects.select_related("current").filter(stage=stage).first()
    return learner or Learner.objects.get_or_create(stage=stage)[0]


def active_run(stage: Stage) -> Run | None:
    """The cycle or flush that holds the stage."""
    held = StageRun.objects.filter(stage=stage, is_active=True, run__status__in=ACTIVE)
    found = held.select_related("run").first()
    return found.run if found else None


def training_set(stage: Stage, current: Cycle | None) -> TrainingSet:
    newest = current.last_annotation if current else 0
    trained = Q(is_held_out=False)
    figures = Task.objects.filter(project=stage.project_id, in_training_set=True, annotation__isnull=False).aggregate(
        images=Count("id", filter=trained),
        with_box=Count("id", filter=trained & ~Q(annotation__labels=[])),
        held_out=Count("id", filter=Q(is_held_out=True)),
        new=Count("id", filter=Q(annotation_id__gt=newest)),
    )
    return TrainingSet(**figures)


def standing(stage: Stage) -> Standing:
    """How far the labeling is at this moment; a cycle notes it when it begins."""
    tasks = Task.objects.filter(project=stage.project_id)
    figures = tasks.filter(in_training_set=True).aggregate(count=Count("id"), newest=Max("annotation_id"))
    return Standing(figures["count"], tasks.count(), figures["newest"] or 0)


def flushable(stage: Stage, current: Cycle | None, threshold: float) -> Flushable:
    states = stage.tasks.aggregate(
        waiting=Count("id", filter=Q(state=TaskState.WAITING)), labeled=Count("id", filter=Q(state=TaskState.DONE))
    )
    predicted = Prediction.objects.filter(cycle=current, task__stage=stage, task__state=TaskState.WAITING)
    figures = (
        predicted.aggregate(all=Count("id"), auto=Count("id", filter=Q(confidence__gte=threshold)))
        if current
        else {"all": 0, "auto": 0}
    )
    return Flushable(
        labeled=states["labeled"],
        auto=figures["auto"],
        below=figures["all"] - figures["auto"],
        unpredicted=states["waiting"] - figures["all"],
    )


def flush_levels(stage: Stage, cycle: Cycle) -> list[quality.Level]:
    """What a flush would auto-label at every threshold."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT least(floor(round((p.confidence * %s)::numeric, 9))::int, %s), count(*), sum(p.confidence)
            FROM autolabel_prediction p JOIN labeling_task t ON t.id = p.task_id
            WHERE p.cycle_id = %s AND t.stage_id = %s AND t.state = 'waiting' GROUP BY 1
            """,
            [quality.BINS, quality.BINS, cycle.pk, stage.pk],
        )
        bins = [quality.Bin(*row) for row in cursor.fetchall()]
    return quality.levels(bins, stage.tasks.filter(state=TaskState.WAITING).count())


def check_result(check: FlushCheck) -> quality.Measured:
    """Agreement of the checked predictions with what people have said so far."""
    found = Task.objects.filter(batch=check.batch, annotation__source="human", prelabel__isnull=False)
    pairs = found.values_list("prelabel__labels", "annotation__labels")
    return quality.measure([label_json.agreement(predicted, human) for predicted, human in pairs])


def expected_at(stage: Stage, current: Cycle | None, threshold: float) -> float | None:
    """The mean confidence of what a flush at the threshold would auto-label: its expected agreement."""
    found = Prediction.objects.filter(
        cycle=current, task__stage=stage, task__state=TaskState.WAITING, confidence__gte=threshold
    )
    return found.aggregate(mean=Avg("confidence"))["mean"] if current else None


def batches(stage: Stage) -> QuerySet[Batch]:
    """The newest first, with how many of each are labeled and how many can be recalled."""
    labeled = Count("tasks", filter=Q(tasks__annotation__isnull=False))
    out = Count("tasks", filter=Q(tasks__annotation=None, tasks__state__in=OPEN_STATES) & ~Q(tasks__stage=stage))
    rows = Batch.objects.filter(stage=stage).select_related("by", "flush_check").order_by("-number")
    return rows.annotate(labeled=labeled, out=out)
