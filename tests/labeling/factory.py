"""Datasets, taxonomies, labelsets and projects with their tasks, for tests of what works on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.jobs import execute
from apps.labeling.models import Task
from apps.labeling.selection import take_next
from apps.labeling.transitions import submit
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.services import create_project
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Datapoint, Dataset, Labelset
from apps.warehouse.services import create_dataset, create_labelset
from apps.warehouse.storages import winnow_storage

NAMES = ["bolt", "nut", "washer"]


def make_box(category: int = 0, x: float = 0.1, **more: Any) -> dict[str, Any]:
    return {"category": category, "bbox": [x, 0.2, 0.3, 0.4], "source": "human"} | more


def make_taxonomy(organization: Organization, name: str = "Parts") -> Taxonomy:
    return taxonomies.create(organization=organization, name=name, tree=NAMES)


def make_dataset(organization: Organization, count: int = 0, name: str = "Bench") -> Dataset:
    dataset = create_dataset(organization=organization, name=name)
    add_datapoints(dataset, count)
    return dataset


def add_datapoints(dataset: Dataset, count: int) -> list[Datapoint]:
    storage = winnow_storage(dataset.organization)
    first = dataset.datapoints.count()
    return Datapoint.objects.bulk_create(
        Datapoint(dataset=dataset, storage=storage, name=f"{n:07}.jpg", path=f"{n}.jpg", width=640, height=480)
        for n in range(first, first + count)
    )


def make_labelset(taxonomy: Taxonomy, name: str = "Truth") -> Labelset:
    return create_labelset(organization=taxonomy.organization, name=name, taxonomy=taxonomy)


@dataclass
class Plant:
    """A project with everything around it."""

    organization: Organization
    dataset: Dataset
    taxonomy: Taxonomy
    labelset: Labelset
    project: Project

    def stage(self, name: str) -> Stage:
        return Stage.objects.select_related("taxonomy", "project").get(project=self.project, name=name)

    def tasks(self, name: str) -> list[Task]:
        return list(Task.objects.filter(project=self.project, stage__name=name).order_by("pk"))


def make_plant(
    organization: Organization, count: int = 5, blueprint: str = "manual", name: str = "Parts", **choice: Any
) -> Plant:
    """A project of a blueprint whose tasks are there."""
    taxonomy = make_taxonomy(organization, name)
    dataset = make_dataset(organization, count, name)
    labelset = make_labelset(taxonomy, name)
    chosen = Choice(dataset=dataset, taxonomy=taxonomy, labelset=labelset, **choice)
    stages = BLUEPRINTS[blueprint].build(chosen)
    return plant(organization, stages, name, dataset, taxonomy, labelset)


def plant(
    organization: Organization, stages: list[Stage], name: str, dataset: Dataset, taxonomy: Taxonomy, labelset: Labelset
) -> Plant:
    project, run = create_project(organization=organization, name=name, stages=stages, by=None)
    execute(run.pk)
    project.refresh_from_db()
    assert project.status == Project.Status.READY, runs.Run.objects.get(pk=run.pk).error
    return Plant(organization, dataset, taxonomy, labelset, project)


def take_one(stage: Stage, user: User) -> Task:
    """The next task of a labeler."""
    [task, *_] = take_next(stage=stage, user=user, count=1)
    return task


def label_one(stage: Stage, user: User, labels: list[dict[str, Any]] | None = None) -> Task:
    """Take the next task and submit it."""
    task = take_one(stage, user)
    boxes = [make_box()] if labels is None else labels
    return submit(task_id=task.uid, user=user, labels=boxes, seconds=3, revision=task.revision)
