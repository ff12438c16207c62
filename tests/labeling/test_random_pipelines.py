"""Random valid pipelines: whatever the way, every task gets through, once."""

from __future__ import annotations

import random

import pytest

from apps.accounts.models import Organization, User
from apps.labeling import transitions
from apps.labeling.models import Task
from apps.labeling.selection import opening, take_next
from apps.projects.models import Stage
from apps.projects.validation import validate
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Dataset, Labelset
from tests.labeling.factory import make_box, make_dataset, make_labelset, make_taxonomy, plant
from tests.labeling.test_life import check_everything

TASKS = 12


class Maker:
    """Adds stages behind what is there until it ends in an output."""

    def __init__(self, dice: random.Random, dataset: Dataset, taxonomy: Taxonomy, labelset: Labelset) -> None:
        self.dice, self.taxonomy = dice, taxonomy
        self.stages = [Stage(name="INPUT", brick="dataset-input", dataset=dataset)]
        self.open: list[tuple[Stage, str]] = [(self.stages[0], "next")]
        self._label()
        for _ in range(dice.randrange(1, 4)):
            dice.choice([self._label, self._review, self._split])()
        self._add(Stage(name="OUTPUT", brick="labelset-output", labelset=labelset))

    def _add(self, stage: Stage, *ports: str) -> Stage:
        """Everything that is open leads to the new stage, whose ports are open then."""
        for before, port in self.open:
            before.routing[port] = stage.name
        self.stages.append(stage)
        self.open = [(stage, port) for port in ports]
        return stage

    def _name(self, word: str) -> str:
        return f"{word}_{len(self.stages)}"

    def _label(self) -> Stage:
        brick = self.dice.choice(["manual-labeling", "remote-labeling"])
        return self._add(Stage(name=self._name("LABEL"), brick=brick, taxonomy=self.taxonomy), "next")

    def _review(self) -> None:
        target = self._add(Stage(name=self._name("LABEL"), brick="manual-labeling", taxonomy=self.taxonomy), "next")
        config = {"sample": self.dice.choice([0.0, 0.5, 1.0])}
        review = self._add(Stage(name=self._name("REVIEW"), brick="expert-review", config=config))
        back = Stage(name=self._name("BACK"), brick="feedback", routing={"feedback": target.name})
        review.routing["failed"] = back.name
        self.stages.append(back)
        self.open = [(review, "passed")]

    def _split(self) -> None:
        split = self._add(Stage(name=self._name("SPLIT"), brick="task-random-filter"))
        ends = []
        for _ in range(2):
            self.open = []
            ends.append(self._label())
        low = round(self.dice.random(), 3)
        split.routing["targets"] = {ends[0].name: low, ends[1].name: 1 - low}
        self.open = [(end, "next") for end in ends]


@pytest.mark.parametrize("seed", range(4))
def test_every_task_gets_through_a_random_valid_pipeline_once(
    organization: Organization, labeler: User, seed: int
) -> None:
    dice = random.Random(seed)
    taxonomy = make_taxonomy(organization)
    dataset, labelset = make_dataset(organization, TASKS), make_labelset(taxonomy)
    stages = Maker(dice, dataset, taxonomy, labelset).stages
    assert validate(stages) == []
    project = plant(organization, stages, "Random", dataset, taxonomy, labelset)
    for _ in range(60 * TASKS):
        left = list(
            Stage.objects.filter(project=project.project, tasks__isnull=False).exclude(name="OUTPUT").distinct()
        )
        if not left:
            break
        _step(dice, dice.choice(left), labeler)
    check_everything(project, TASKS)
    assert len(project.tasks("OUTPUT")) == TASKS


def _step(dice: random.Random, stage: Stage, user: User) -> None:
    labels = [make_box(dice.randrange(3))]
    if stage.brick == "remote-labeling":
        task = Task.objects.filter(stage=stage).order_by("?")[0]
        transitions.submit_remote(task_id=task.uid, author=user, labels=labels)
        return
    for task in take_next(stage=stage, user=user, count=dice.randrange(1, 4)):
        place = {"task_id": task.uid, "user": user, "seconds": 1.0, "revision": task.revision}
        if stage.brick == "manual-labeling":
            transitions.submit(labels=labels, **place)
        elif dice.random() < 0.2:
            transitions.reject(comment="once more", **place)
        else:
            transitions.accept(labels=opening(task, user).labels, **place)
