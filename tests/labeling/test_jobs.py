"""Projects' long jobs: tasks of what comes later, and the end of a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Organization, User
from apps.common.jobs import execute
from apps.common.models import Run
from apps.labeling import feeding, transitions
from apps.labeling.models import Annotation, Task, TaskEvent
from apps.labeling.selection import opening
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.services import add_new_datapoints, delete_project
from apps.warehouse import services as warehouse
from apps.warehouse.models import Datapoint, LabelsetEntry
from apps.warehouse.signals import announce_datapoints
from tests.labeling.factory import add_datapoints, label_one, make_box, make_labelset, make_plant, plant, take_one
from tests.labeling.workspace_desk import jpeg

OnCommit = Callable[..., Any]


def test_an_uploaded_image_becomes_a_task_by_itself(
    organization: Organization, django_capture_on_commit_callbacks: OnCommit
) -> None:
    made = make_plant(organization, 1)
    with django_capture_on_commit_callbacks(execute=True):
        warehouse.add_upload(dataset=made.dataset, file=jpeg((64, 48)), name="new.jpg")
    assert [task.datapoint.name for task in made.tasks("LABEL")] == ["0000000.jpg", "new.jpg"]


def test_many_new_images_become_tasks_by_a_run(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: OnCommit
) -> None:
    monkeypatch.setattr(feeding, "AT_ONCE", 5)
    made = make_plant(organization, 1)
    with django_capture_on_commit_callbacks(execute=True):
        add_datapoints(made.dataset, 30)
        announce_datapoints(made.dataset.pk)
        announce_datapoints(made.dataset.pk)
    [run] = Run.objects.filter(kind="project-feed")
    execute(run.pk)
    assert len(made.tasks("LABEL")) == 31
    assert Run.objects.get(pk=run.pk).result == {"made": 30}


def test_images_of_an_import_behind_newer_ones_become_tasks_too(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: OnCommit
) -> None:
    monkeypatch.setattr(feeding, "AT_ONCE", 5)
    made = make_plant(organization, 1)
    row = warehouse.begin_upload(dataset=made.dataset, by=None)
    late = add_datapoints(made.dataset, 2)
    Datapoint.objects.filter(pk__in=[each.pk for each in late]).update(import_row=row, error="The bucket is away.")
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            add_datapoints(made.dataset, 5)
            announce_datapoints(made.dataset.pk)
    Datapoint.objects.filter(import_row=row).update(error="")
    with django_capture_on_commit_callbacks(execute=True):
        announce_datapoints(made.dataset.pk, row.pk)
    for run in Run.objects.filter(kind="project-feed"):
        execute(run.pk)
    assert len(made.tasks("LABEL")) == 13


def test_looking_for_new_images_twice_waits_for_one_run(organization: Organization, owner: User) -> None:
    made = make_plant(organization, 1)
    runs = {add_new_datapoints(project=made.project, by=owner).pk for _ in range(2)}
    assert len(runs) == 1


def test_a_deleted_project_leaves_the_images_and_the_labelset(
    organization: Organization, owner: User, labeler: User
) -> None:
    made = make_plant(organization, 3)
    label_one(made.stage("LABEL"), labeler)
    take_one(made.stage("LABEL"), labeler)
    run = delete_project(project=made.project, by=owner)
    execute(run.pk)
    for model in (Project, Stage, Task, TaskEvent, Annotation):
        assert not model._default_manager.exists(), model
    assert Datapoint.objects.count() == 3 and LabelsetEntry.objects.count() == 1
    assert Run.objects.get(pk=run.pk).result == {"removed": 3}


def test_a_rejected_label_of_a_labelset_is_corrected(organization: Organization, labeler: User, admin: User) -> None:
    first = make_plant(organization, 2, name="First")
    for category in (1, 2):
        label_one(first.stage("LABEL"), labeler, [make_box(category)])
    truth = make_labelset(first.taxonomy, "Truth")
    stages = BLUEPRINTS["review-correct"].build(Choice(source=first.labelset, taxonomy=first.taxonomy, labelset=truth))
    second = plant(organization, stages, "Second", first.dataset, first.taxonomy, truth)
    review = second.stage("REVIEW")
    good = take_one(review, admin)
    assert opening(good, admin).labels[0]["category"] == 1
    transitions.accept(task_id=good.uid, user=admin, seconds=1, revision=good.revision)
    bad = take_one(review, admin)
    transitions.reject(task_id=bad.uid, user=admin, comment="a nut", seconds=1, revision=bad.revision)
    transitions.reassign(task_ids=[bad.uid], to=admin, by=admin)
    label_one(second.stage("CORRECT"), admin, [make_box(0)])
    entries = LabelsetEntry.objects.filter(labelset=truth).order_by("datapoint_id")
    assert [(entry.source, entry.class_ids) for entry in entries] == [("import", [1]), ("human", [0])]
