"""The demo: a project on generated pictures, and their exact truth in a labelset beside it."""

from __future__ import annotations

import io
from typing import Any

from django.db import transaction

from apps.accounts.models import Organization, User
from apps.autolabel.demo_images import CLASSES, Picture, picture
from apps.common import runs
from apps.common.runs import Handle
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Stage
from apps.projects.services import create_project
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Dataset, Labelset
from apps.warehouse.signals import announce_datapoints

KIND = "demo"
NAME = "Workbench"
IMAGES = 240
BATCH_SIZE = 20
CHUNK = 20


def offer(owner: User) -> None:
    """The demo in the first organization of a new installation; its pictures are made by a worker."""
    organization = Organization.objects.filter(memberships__user=owner).order_by("pk").first()
    if organization is not None:
        create(organization, owner)


@transaction.atomic
def create(organization: Organization, owner: User, images: int = IMAGES) -> None:
    dataset = warehouse.create_dataset(
        organization=organization, name=NAME, description="Generated pictures of screws, nuts and washers.", by=owner
    )
    taxonomy = taxonomies.create(organization=organization, name="Parts", tree=list(CLASSES))
    text = "What is really on the generated pictures, to compare with."
    truth = warehouse.create_labelset(
        organization=organization, name=f"{NAME} truth", taxonomy=taxonomy, description=text, by=owner
    )
    labelset = warehouse.create_labelset(organization=organization, name=f"{NAME} labels", taxonomy=taxonomy, by=owner)
    stages = BLUEPRINTS["autolabel"].build(Choice(dataset=dataset, labelset=labelset, taxonomy=taxonomy))
    _configure(stages)
    create_project(
        organization=organization,
        name=NAME,
        stages=stages,
        by=owner,
        description="Screws, nuts and washers on a workbench. Send a batch, label it, trigger a cycle.",
    )
    params = {"dataset": dataset.pk, "truth": truth.pk, "images": images}
    runs.enqueue(
        runs.create(
            organization=organization, kind=KIND, target=dataset.pk, params=params, requested_by=owner, total=images
        )
    )


def _configure(stages: list[Stage]) -> None:
    for stage in stages:
        if stage.name == "ACTIVE_LEARNING":
            stage.config = {"batch_size": BATCH_SIZE}


def make(handle: Handle) -> dict[str, Any]:
    """Draw the pictures that are not there yet; what is there joins the project as it comes."""
    dataset = Dataset.objects.select_related("organization").get(pk=handle.params["dataset"])
    truth = Labelset.objects.get(pk=handle.params["truth"])
    images = handle.params["images"]
    handle.progress(0, images, "Drawing pictures")
    for first in range(0, images, CHUNK):
        numbers = range(first, min(first + CHUNK, images))
        made = [_stored(handle, dataset, number) for number in numbers]
        with handle.guard():
            upsert_entries(truth.pk, [_entry(datapoint, drawn) for datapoint, drawn in made])
            announce_datapoints(dataset.pk)
    return {"images": images}


def _stored(handle: Handle, dataset: Dataset, number: int) -> tuple[Datapoint, Picture]:
    drawn = picture(number)
    there = Datapoint.objects.filter(dataset=dataset, name=drawn.name).first()
    stored = there or warehouse.add_upload(
        dataset=dataset, file=io.BytesIO(drawn.jpeg), name=drawn.name, announce=False
    )
    handle.progress(number + 1)
    return stored, drawn


def _entry(datapoint: Datapoint, drawn: Picture) -> EntryRow:
    labels = [
        {"id": f"truth-{index}", "category": CLASSES.index(name), "bbox": box, "source": "import"}
        for index, (name, box) in enumerate(drawn.normalized())
    ]
    return EntryRow(datapoint.pk, labels, "import")
