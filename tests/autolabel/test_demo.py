"""Promises of the demo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from apps.accounts.models import Organization, User
from apps.autolabel import demo
from apps.autolabel.demo_images import CLASSES, RARE, picture, pictures
from apps.common import jobs
from apps.common.models import Run
from apps.labeling.models import Task
from apps.warehouse.models import Datapoint, LabelsetEntry


def test_the_same_seed_draws_the_same_pictures() -> None:
    assert picture(3) == picture(3)
    assert picture(3).jpeg != picture(4).jpeg != picture(4, seed=1).jpeg


def test_the_pictures_are_varied() -> None:
    drawn = list(pictures(40))
    counts = [len(each.parts) for each in drawn]
    assert 0 in counts and max(counts) >= 8
    assert {part.name for each in drawn for part in each.parts} == set(CLASSES)
    assert len({(each.width, each.height) for each in drawn}) == 3
    sides = [min(part.box[2:]) for each in drawn for part in each.parts]
    assert min(sides) < 20 and max(sides) > 80


def test_every_box_lies_in_its_picture_and_holds_something_unlike_its_ground() -> None:
    for each in pictures(12):
        image = np.asarray(Image.open(io.BytesIO(each.jpeg)).convert("L"), float)
        assert image.shape == (each.height, each.width)
        for part in each.parts:
            left, top, width, height = part.box
            assert width > 0 and height > 0 and left >= 0 and top >= 0
            assert left + width <= each.width and top + height <= each.height


def test_a_class_can_be_rare() -> None:
    names = [part.name for each in pictures(60, shares=RARE) for part in each.parts]
    assert names.count("washer") < 0.08 * len(names)


@pytest.mark.django_db(transaction=True)
def test_the_demo_is_a_project_whose_pictures_come_in(organization: Organization, owner: User) -> None:
    demo.create(organization, owner, images=6)
    for kind in ("project-create", "demo", "project-feed"):
        for run in Run.objects.filter(kind=kind, status="queued"):
            jobs.execute(run.pk)
    assert Datapoint.objects.count() == Task.objects.count() == 6
    entries = LabelsetEntry.objects.filter(labelset__name="Workbench truth")
    assert entries.count() == 6
    boxes = {each.name: len(each.parts) for each in pictures(6)}
    assert dict(entries.values_list("datapoint__name", "box_count")) == boxes


@pytest.mark.django_db
def test_a_demo_that_was_interrupted_goes_on_without_doubles(organization: Organization, owner: User) -> None:
    demo.create(organization, owner, images=4)
    run = Run.objects.get(kind="demo")
    jobs.execute(run.pk)
    Run.objects.filter(pk=run.pk).update(status="queued", ended_at=None)
    jobs.execute(run.pk)
    assert Datapoint.objects.count() == 4
