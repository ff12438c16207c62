"""The figures of an active-learning stage's pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils.safestring import SafeString

from apps.autolabel import quality, state
from apps.autolabel.models import Cycle, Learner
from apps.common import charts
from apps.common.models import Run, RunStatus
from apps.labeling.models import OPEN_STATES, Task, TaskState
from apps.projects.models import Project, Stage

WANTED = (0.8, 0.9, 0.95, 0.97, 0.99)
"""Expected agreements for which the page says what a flush would send."""
BARS = 20
CYCLES_DRAWN = 200
LEAST_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class Action:
    """A button: why it is disabled (empty when it is not), and what to confirm first."""

    reason: str = ""
    confirm: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a flush sends that promises at least `wanted` expected agreement."""

    wanted: float
    level: quality.Level | None


@dataclass(slots=True)
class Overview:
    """The dashboard's first tab."""

    stage: Stage
    current: Cycle | None
    run: Run | None
    last_run: Run | None
    total: int
    labeled: int
    queued: int
    out: int
    ready: int
    training: state.TrainingSet
    batch_size: int
    levels: list[quality.Level]
    cycles: list[Cycle]
    learner: Learner

    @property
    def is_automatic(self) -> bool:
        return bool(state.option(self.stage, "automatic"))

    @property
    def percent_labeled(self) -> float:
        return 100 * self.labeled / self.total if self.total else 0.0

    @property
    def send(self) -> Action:
        if self.stage.project.status != Project.Status.READY:
            return Action(f"The project is {self.stage.project.get_status_display().lower()}.")
        return Action("" if self.queued else "The queue is empty.")

    @property
    def trigger(self) -> Action:
        if self.run:
            return Action(f"A {self.run.kind} is running.")
        if self.training.reason:
            return Action(self.training.reason)
        asked = (
            f"Nothing was labeled since cycle {self.current.number}. Train again all the same?" if self.current else ""
        )
        return Action(confirm="" if self.training.new else asked)

    @property
    def flush(self) -> Action:
        if self.run:
            return Action(f"A {self.run.kind} is running.")
        flushable = self.ready + (self.levels[0].count if self.levels else 0)
        return Action("" if flushable else "Nothing here is labeled or predicted.")

    @property
    def measured(self) -> quality.Measured | None:
        """Agreement of the current model on the held-out images."""
        return quality.measure([pair.agreement for pair in scored(self.current)]) if self.current else None

    @property
    def offers(self) -> list[Offer]:
        return [Offer(wanted, quality.lowest_for(self.levels, wanted)) for wanted in WANTED]

    @property
    def chart(self) -> SafeString:
        return cycles_chart(self.cycles)


def overview(stage: Stage) -> Overview:
    learner = state.learner_of(stage)
    tasks = Task.objects.filter(project=stage.project_id).aggregate(
        total=Count("id"),
        labeled=Count("id", filter=Q(in_training_set=True)),
        queued=Count("id", filter=Q(stage=stage, state=TaskState.WAITING)),
        ready=Count("id", filter=Q(stage=stage, state=TaskState.DONE)),
        out=Count("id", filter=Q(batch__stage=stage, state__in=OPEN_STATES) & ~Q(stage=stage)),
    )
    run = state.active_run(stage)
    finished = Run.objects.filter(stage_run__stage=stage).exclude(status__in=(RunStatus.QUEUED, RunStatus.RUNNING))
    cycles = Cycle.objects.filter(stage=stage, ended_at__isnull=False).defer("scored", "calibration")
    return Overview(
        stage=stage,
        current=learner.current,
        run=run,
        last_run=None if run else finished.select_related("organization").order_by("-id").first(),
        training=state.training_set(stage, learner.current),
        batch_size=state.option(stage, "batch_size"),
        levels=state.flush_levels(stage, learner.current) if learner.current else [],
        cycles=list(cycles.order_by("-number")[:CYCLES_DRAWN])[::-1],
        learner=learner,
        **tasks,
    )


def scored(cycle: Cycle | None) -> list[quality.Scored]:
    """Confidence and agreement of the held-out images, as the cycle's model was measured on them."""
    return [quality.Scored(*pair) for pair in cycle.scored] if cycle else []


def cycles_chart(cycles: Sequence[Cycle]) -> SafeString:
    """Percent labeled, mean confidence and measured agreement with its band, by cycle."""
    known = [cycle for cycle in cycles if cycle.agreement_n >= quality.MINIMUM_IMAGES and cycle.agreement is not None]
    band = [(float(c.number), c.agreement_low or 0.0, c.agreement_high or 1.0) for c in known]
    agreement = {cycle.number: cycle.agreement for cycle in known}
    series = [
        charts.Series(
            "Percent labeled", "human", [(c.number, c.labeled / c.total if c.total else 0.0) for c in cycles]
        ),
        charts.Series("Mean confidence", "model", [(c.number, c.mean_confidence) for c in cycles]),
        charts.Series("Measured agreement", "audit", [(c.number, agreement.get(c.number)) for c in cycles], band),
    ]
    return charts.line_chart(series, "Training cycle", "Percent", title="Progress by training cycle")


def confidence_histogram(levels: Sequence[quality.Level], mark: float | None = None) -> SafeString:
    """How many images of the queue have which confidence."""
    counts = [0] * BARS
    step = quality.BINS // BARS
    for bar in range(BARS):
        above = levels[(bar + 1) * step].count if bar < BARS - 1 else 0
        counts[bar] = levels[bar * step].count - above
    edges = [bar / BARS for bar in range(BARS + 1)]
    return charts.histogram(counts, edges, "Confidence", "Images in the queue", mark=mark)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a flush at a threshold would do, and what is known of its quality."""

    threshold: float
    found: state.Flushable
    expected: float | None
    measured: quality.Measured
    unscored: bool
    histogram: SafeString | None = None


def preview(
    stage: Stage, threshold: float, *, drawn: bool = False, levels: Sequence[quality.Level] | None = None
) -> Preview:
    """With `drawn`, the histogram of the queue's confidence with what would leave set off from what would stay."""
    current = state.learner_of(stage).current
    if levels is None:
        levels = state.flush_levels(stage, current) if current else []
    found, expected = _at(stage, current, threshold, levels)
    measured = quality.measure_at(scored(current), threshold)
    chart = confidence_histogram(levels, threshold) if drawn and levels else None
    return Preview(threshold, found, expected, measured, current is None, chart)


def _at(
    stage: Stage, current: Cycle | None, threshold: float, levels: Sequence[quality.Level]
) -> tuple[state.Flushable, float | None]:
    """What leaves and its expected agreement: from the levels where there is one, else counted anew."""
    index = round(threshold * quality.BINS)
    if not levels or abs(index - threshold * quality.BINS) > LEAST_STEP:
        return state.flushable(stage, current, threshold), state.expected_at(stage, current, threshold)
    level, lowest = levels[index], levels[0]
    tasks = stage.tasks.aggregate(
        waiting=Count("id", filter=Q(state=TaskState.WAITING)), ready=Count("id", filter=Q(state=TaskState.DONE))
    )
    below, unpredicted = lowest.count - level.count, tasks["waiting"] - lowest.count
    return state.Flushable(tasks["ready"], level.count, below, unpredicted), level.expected


def cycle_rows(stage: Stage) -> Any:
    """Cycles, the newest first, with what could not be read."""
    rows = Cycle.objects.filter(stage=stage).select_related("run__requested_by", "run__organization")
    return rows.defer("scored", "calibration").annotate(unreadable_images=Count("unreadable"))
