"""The whole loop over a dataset whose truth is known, by the services that the pages call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection

from apps.accounts.models import Organization, User
from apps.accounts.services import create_organization
from apps.autolabel import files, learning, oracle, quality, services, state
from apps.autolabel.models import Cycle, Prediction
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.detector.calibrate import calibration_error
from apps.detector.evaluate import average_precision
from apps.detector.images import displayed_size
from apps.detector.predict import Detector
from apps.labeling import transitions
from apps.labeling.models import Annotation, Task, TaskState
from apps.labeling.selection import opening, take_next
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.services import configure_stage, create_project
from apps.taxonomies import labels as label_json
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.folders import import_folder
from apps.warehouse.formats import coco
from apps.warehouse.models import Datapoint, Dataset

POLL_SECONDS = 0.3
LOOSE = 0.7
EMAIL, PASSWORD = "oracle@example.com", "the oracle knows it all"  # noqa: S105
COLUMNS = (
    *("cycle", "labeled", "percent_labeled", "held_out", "train_seconds", "predict_seconds"),
    *("mean_confidence", "queue_agreement", "calibration_error", "queue_edits_50", "queue_edits_70"),
    *("audit_agreement", "audit_low", "audit_high", "audit_n"),
    *("batch_agreement", "added", "deleted", "moved", "reclassed", "boxes", "ap", "ap50"),
)

Row = dict[str, float | int | None]
Truth = list[dict[str, Any]]


class SimulationError(Exception):
    """Why the simulation cannot go on."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is simulated: all images of the COCO file under `images`, labeled up to the fractions or by batches."""

    images: Path
    train: coco.CocoFile
    test: coco.CocoFile | None = None
    fractions: Sequence[float] = (0.05, 0.1, 0.2)
    batch: int | None = None
    strategy: str = "least-confident"
    preset: str = ""
    seed: int = 0
    tolerance: float = 0.7
    anchor: float = 0.0


@dataclass(slots=True)
class Tally:
    """The batch labeled just before a cycle, its audits excluded."""

    images: int = 0
    work: oracle.Work = field(default_factory=oracle.Work)
    agreements: list[float] = field(default_factory=list)

    def figures(self) -> Row:
        return {
            "batch_agreement": float(np.mean(self.agreements)) if self.agreements else None,
            **{name: count / self.images if self.images else None for name, count in asdict(self.work).items()},
        }


class Simulation:
    """One project from its first batch to its flush; `tell(text, labeled)` hears of the progress."""

    def __init__(self, options: Options, tell: Callable[[str, int], None]) -> None:
        self.options = options
        self.tell = tell
        self.problems: list[str] = []
        self.user, organization = _owner()
        self.dataset = self._import(organization)
        self.project, self.class_of = self._create(organization)
        self.truths = self._truths()
        self.total = Task.objects.filter(project=self.project).count()

    def rows(self) -> Iterator[Row]:
        """A row a cycle, while it happens."""
        for size in self._sizes():
            services.send_batch(self.stage(), size=size, by=self.user)
            tally = self._label()
            if reason := state.training_set(self.stage(), None).reason:
                self.problems.append(f"No cycle after {self._labeled()} images: {reason}")
                continue
            cycle = services.trigger_cycle(self.stage(), by=self.user, again=True)
            self._wait(cycle.run)
            yield self._row(Cycle.objects.get(pk=cycle.pk), tally)

    def flush(self) -> dict[str, int]:
        """Everything to the labelset; what it then holds, by source."""
        try:
            self._wait(services.flush(self.stage(), by=self.user))
        except Conflict as refused:
            self.problems.append(f"Nothing was flushed: {refused}")
        output = self.stage("OUTPUT").labelset
        entries = output.entries.all() if output else Annotation.objects.none()
        return {source: entries.filter(source=source).count() for source in ("human", "model")}

    def stage(self, name: str = "ACTIVE_LEARNING") -> Stage:
        return Stage.objects.select_related("project__organization", "labelset").get(project=self.project, name=name)

    def _import(self, organization: Organization) -> Dataset:
        dataset = warehouse.create_dataset(organization=organization, name="Images", by=self.user)
        report = import_folder(
            dataset=dataset,
            folder=self.options.images,
            only=sorted(self.options.train.pictures),
            by=self.user,
            progress=lambda done, total: self.tell(f"importing {done} of {total} images", 0),
        )
        self.problems += [f"{problem.name}: {problem.reason}" for problem in report.problems]
        if not report.created:
            raise SimulationError(f"None of the images of the COCO file is under {self.options.images}.")
        return dataset

    def _create(self, organization: Organization) -> tuple[Project, dict[str, int]]:
        taxonomy = taxonomies.create(organization=organization, name="Classes", tree=self.options.train.tree())
        labelset = warehouse.create_labelset(organization=organization, name="Labels", taxonomy=taxonomy, by=self.user)
        stages = BLUEPRINTS["autolabel"].build(Choice(dataset=self.dataset, labelset=labelset, taxonomy=taxonomy))
        project, run = create_project(organization=organization, name="Simulation", stages=stages, by=self.user)
        self._wait(run)
        learning_stage = Stage.objects.get(project=project, name="ACTIVE_LEARNING")
        total = Task.objects.filter(project=project).count()
        config = {"strategy": self.options.strategy, "preset": self.options.preset, "batch_size": self._usual(total)}
        configure_stage(stage=learning_stage, config=config)
        _shuffle(project, self.options.seed)
        return project, {each["name"]: each["id"] for each in taxonomies.palette(taxonomy)}

    def _truths(self) -> dict[str, Truth]:
        """The true labels by the name of the datapoint."""
        found: dict[str, Truth] = {}
        for point in Datapoint.objects.filter(dataset=self.dataset).iterator():
            size = point.width or 0, point.height or 0
            found[point.name] = self._labels(self.options.train.pictures[point.name], size)
        return found

    def _labels(self, picture: coco.Picture, size: tuple[int, int]) -> Truth:
        labels, problems = coco.to_labels(picture, width=size[0], height=size[1], class_of=self.class_of)
        self.problems += [f"{problem.name}: {problem.reason}" for problem in problems]
        return labels or []

    def _labeled(self) -> int:
        return Task.objects.filter(project=self.project, in_training_set=True).count()

    def _sizes(self) -> Iterator[int]:
        """How many to send each time, less the audits that are mixed in after the first cycle."""
        fractions = iter(self.options.fractions)
        share = float(state.option(self.stage(), "audit_share"))
        while queued := self.stage().tasks.filter(state=TaskState.WAITING).count():
            if self.options.batch:
                yield min(self.options.batch, queued)
                continue
            fraction = next(fractions, None)
            if fraction is None:
                return
            wanted = min(queued, round(fraction * self.total) - self._labeled())
            audited = wanted < queued and state.learner_of(self.stage()).current is not None
            audits = max(services.MINIMUM_AUDITS, round(share * wanted / (1 + share))) if audited else 0
            if wanted > 0:
                yield max(1, wanted - audits)

    def _usual(self, total: int) -> int:
        """The size of a batch after the first, which the strategy plans for."""
        first, second = (*self.options.fractions, 1.0, 1.0)[:2]
        return self.options.batch or max(1, round((second - first if second > first else first) * total))

    def _label(self) -> Tally:
        """Everything that is in LABEL, as a person opens it."""
        tally, stage = Tally(), self.stage("LABEL")
        while tasks := take_next(stage=stage, user=self.user):
            for task in tasks:
                truth = self.truths[task.datapoint.name]
                shown = opening(task, self.user).prelabels
                dice = random.Random(f"{self.options.seed} {task.datapoint.name}")  # noqa: S311
                seen = oracle.swayed(shown, truth, self.options.anchor, dice)
                labels, work = oracle.correct(shown, seen, self.options.tolerance)
                transitions.submit(task_id=task.uid, user=self.user, labels=labels, seconds=0.0, revision=task.revision)
                if not task.is_audit:
                    tally.images += 1
                    tally.work += work
                    tally.agreements += [label_json.agreement(shown, truth)] if hasattr(task, "prelabel") else []
            self.tell("labeling", self._labeled())
        return tally

    def _wait(self, run: Run | None) -> None:
        """Until the worker is done with it."""
        if run is None:
            raise SimulationError("There is no run to wait for.")
        while True:
            run = Run.objects.get(pk=run.pk)
            if run.status in (RunStatus.FAILED, RunStatus.CANCELED):
                raise SimulationError(f"The {run.kind} has failed: {run.error}")
            if run.status == RunStatus.DONE:
                return
            share = f" {run.done / run.total:.0%}" if run.total else ""
            self.tell(f"{run.kind}: {run.phase.lower() or run.status}{share}", -1)
            time.sleep(POLL_SECONDS)

    def _row(self, cycle: Cycle, tally: Tally) -> Row:
        labeled = self._labeled()
        row: Row = {
            "cycle": cycle.number,
            "labeled": labeled,
            "percent_labeled": 100 * labeled / self.total,
            "held_out": cycle.held_out_images,
            "train_seconds": cycle.train_seconds,
            "predict_seconds": cycle.predict_seconds,
            "mean_confidence": cycle.mean_confidence,
            "audit_agreement": cycle.agreement,
            "audit_low": cycle.agreement_low,
            "audit_high": cycle.agreement_high,
            "audit_n": cycle.agreement_n,
            **tally.figures(),
            **self._queue(cycle),
            **self._test(cycle),
        }
        return {name: row[name] for name in COLUMNS}

    def _queue(self, cycle: Cycle) -> Row:
        """The truth about the queue, which only the oracle knows."""
        self.tell("measuring the queue", -1)
        found = Prediction.objects.filter(cycle=cycle).values_list("task__datapoint__name", "labels", "confidence")
        rows = [(labels, self.truths[name], sure) for name, labels, sure in found]
        if not rows:
            return dict.fromkeys(("queue_agreement", "calibration_error", "queue_edits_50", "queue_edits_70"))
        confidence = np.array([sure for _, _, sure in rows])
        agreement = np.array([label_json.agreement(labels, truth) for labels, truth, _ in rows])
        error = calibration_error(confidence, agreement) if len(rows) >= quality.MINIMUM_IMAGES else None
        return {"queue_agreement": float(agreement.mean()), "calibration_error": error, **_edits(rows)}

    def _test(self, cycle: Cycle) -> Row:
        if self.options.test is None:
            return {"ap": None, "ap50": None}
        self.tell("measuring on the test images", -1)
        pictures = list(self.options.test.pictures.values())
        paths = [self.options.images / picture.name for picture in pictures]
        sizes = [displayed_size(path) for path in paths]
        known = learning.class_ids(cycle.stage)
        truths = [
            learning.truth_of(self._labels(picture, size), set(known))
            for picture, size in zip(pictures, sizes, strict=True)
        ]
        raws = list(Detector(files.path_of(cycle.model_path)).predict(enumerate(paths)))
        found = average_precision(raws, truths, known, sizes)
        return {"ap": found["ap"], "ap50": found["ap50"]}


def _edits(rows: Sequence[tuple[Truth, Truth, float]]) -> Row:
    """Edits a box that predictions (labels, truth, …) would cost where boxes are left from IoU 0.5 or 0.7 on."""
    work = sum((oracle.correct(labels, truth, LOOSE)[1] for labels, truth, _ in rows), oracle.Work())
    if not work.boxes:
        return {"queue_edits_50": None, "queue_edits_70": None}
    coarse = work.added + work.deleted + work.reclassed
    return {"queue_edits_50": coarse / work.boxes, "queue_edits_70": (coarse + work.moved) / work.boxes}


def _owner() -> tuple[User, Organization]:
    user = User.objects.create_user(EMAIL, PASSWORD, name="Oracle")
    return user, create_organization(owner=user, name="Simulation")


def _shuffle(project: Project, seed: int) -> None:
    """The random order of the tasks, the same for the same seed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE labeling_task t SET shuffle = ('x' || substr(md5(%s || ':' || d.name), 1, 8))::bit(32)::bigint"
            " / 4294967296.0 FROM warehouse_datapoint d WHERE d.id = t.datapoint_id AND t.project_id = %s",
            [str(seed), project.pk],
        )
