"""A small project with an active-learning stage on drawn pictures, and the hands that work in it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from apps.accounts.models import Organization, User
from apps.autolabel import files, services
from apps.autolabel.models import Cycle
from apps.common import jobs, runs
from apps.common.models import Run, RunStatus, Shard
from apps.detector.types import Trained
from apps.labeling import transitions
from apps.labeling.models import Annotation, Task
from apps.labeling.selection import take_next
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.services import create_project
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.models import Dataset, Labelset
from tests.detector.pictures import draw, encode

Box = tuple[int, tuple[float, float, float, float]]
CLASSES = ["red", "blue"]


def boxes_of(number: int) -> list[Box]:
    """What is drawn on picture `number`: none to three rectangles; every seventh picture is empty."""
    rng = np.random.default_rng([11, number])
    count = 0 if number % 7 == 6 else int(rng.integers(1, 4))
    places = rng.permutation(4)[:count]
    found: list[Box] = []
    for place in places:
        w, h = (float(value) for value in rng.uniform(0.2, 0.4, 2))
        x, y = (place % 2) / 2 + rng.uniform(0.02, 0.08), (place // 2) / 2 + rng.uniform(0.02, 0.08)
        found.append((int(rng.integers(2)), (float(x), float(y), w, h)))
    return found


@dataclass
class Loop:
    """A project in the middle of its work."""

    project: Project
    dataset: Dataset
    labelset: Labelset
    user: User

    def stage(self, name: str = "ACTIVE_LEARNING") -> Stage:
        return Stage.objects.select_related("project__organization", "taxonomy").get(project=self.project, name=name)

    def truth(self, task: Task) -> list[dict[str, Any]]:
        number = int(task.datapoint.name.removesuffix(".png"))
        return [{"id": f"h{i}", "category": c, "bbox": list(box)} for i, (c, box) in enumerate(boxes_of(number))]

    def send(self, size: int, **more: Any) -> Any:
        return services.send_batch(self.stage(), size=size, by=self.user, **more)

    def label(self, count: int = 1000, labels: list[dict[str, Any]] | None = None) -> list[Task]:
        """Label up to `count` tasks of LABEL as they really are, or all alike."""
        done: list[Task] = []
        while len(done) < count and (tasks := take_next(stage=self.stage("LABEL"), user=self.user, count=1)):
            task = tasks[0]
            said = self.truth(task) if labels is None else labels
            transitions.submit(task_id=task.uid, user=self.user, labels=said, seconds=1.0, revision=task.revision)
            done.append(task)
        return done

    def cycle(self, model: Trained | None = None, **more: Any) -> Cycle:
        """A whole cycle, its jobs called as functions; with a model it goes on as if broken off after training."""
        cycle = services.trigger_cycle(self.stage(), by=self.user, **more)
        if model:
            self.use(model, cycle)
        perform(cycle.run)
        return Cycle.objects.get(pk=cycle.pk)

    def use(self, model: Trained, cycle: Cycle) -> None:
        """Let a cycle have been trained already."""
        name = f"{self.project.pk}/cycle-{cycle.number}"
        files.keep(model.onnx, f"{name}.onnx")
        files.keep(model.checkpoint, f"{name}.pt")
        newest = Annotation.objects.order_by("pk").last()
        Cycle.objects.filter(pk=cycle.pk).update(
            model_path=f"{name}.onnx", checkpoint_path=f"{name}.pt", last_annotation=newest.pk if newest else 0
        )

    def count(self, stage: str, state: str) -> int:
        return Task.objects.filter(project=self.project, stage__name=stage, state=state).count()


def break_off(monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[runs.Handle], object]) -> None:
    """Let something happen to the next run that says it has done `at` items, once, and as it says so."""
    original, happened = runs.Handle.progress, []

    def progress(handle: runs.Handle, done: int, total: int | None = None, phase: str | None = None) -> None:
        if done >= at and not happened:
            happened.append(done)
            act(handle)
        original(handle, done, total, phase)

    monkeypatch.setattr(runs.Handle, "progress", progress)


def interrupt(handle: runs.Handle) -> None:
    """As the sweeper does with a run whose worker has died."""
    assert runs.requeue(handle.run, "The worker stopped answering.")
    handle._told = float("-inf")  # the dead one's next word is written, not put off


def perform(run: Run | None) -> Run:
    """Do what a worker would do for a run and its shards."""
    assert run is not None
    with contextlib.suppress(runs.Failure):
        jobs.execute(run.pk)
    for shard in Shard.objects.filter(run=run, status=RunStatus.QUEUED).order_by("number"):
        jobs.execute_shard(shard.pk)
    return Run.objects.get(pk=run.pk)


def make_loop(organization: Organization, user: User, images: int, names: Iterable[str] = CLASSES) -> Loop:
    dataset = warehouse.create_dataset(organization=organization, name="Pictures", by=user)
    for number in range(images):
        picture = io.BytesIO(encode(draw(boxes_of(number))))
        warehouse.add_upload(dataset=dataset, file=picture, name=f"{number:04}.png", announce=False)
    taxonomy = taxonomies.create(organization=organization, name="Colors", tree=list(names))
    labelset = warehouse.create_labelset(organization=organization, name="Labels", taxonomy=taxonomy, by=user)
    choice = Choice(dataset=dataset, labelset=labelset, taxonomy=taxonomy)
    stages = BLUEPRINTS["autolabel"].build(choice)
    project, run = create_project(organization=organization, name="Loop", stages=stages, by=user)
    jobs.execute(run.pk)
    project.refresh_from_db()
    return Loop(project, dataset, labelset, user)
