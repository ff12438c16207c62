"""The door for a detector of one's own: read what is labeled and what is not, post predictions, close the cycle."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.api.datasets import image_url
from apps.api.errors import REFUSALS
from apps.api.learning import CyclePath, StagePath, learning_stage
from apps.api.paging import CursorQuery, Page, page
from apps.api.runs import RunOut
from apps.autolabel import external, receiving
from apps.autolabel.models import Cycle
from apps.common.models import Run
from apps.labeling.models import Task
from apps.taxonomies import labels as label_json
from apps.taxonomies import services as taxonomies
from apps.taxonomies import trees

router = Router()

NDJSON = "application/x-ndjson"
LINE = (
    '{"taskId": "5f0c2c1e-8a39-4b53-9d0a-0c7c1f6f5d11", "score": 0.71, "labels": [{"category": [["object", "car"]],'
    ' "bbox2d": {"xnorm": 0.1, "ynorm": 0.2, "wnorm": 0.3, "hnorm": 0.2}, "confidence": 0.83}]}\n'
)
STREAM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {NDJSON: {"schema": {"type": "string"}, "example": LINE}},
    }
}


class TaxonomyOfCycle(Schema):
    name: str
    version: int
    categories: list[dict[str, Any]]


class ExternalOut(Schema):
    """The cycle that waits for its program."""

    cycle: int
    type: str = "image_bbox"
    taxonomy: TaxonomyOfCycle
    labeled: int = Field(description="Images to learn from.")
    unlabeled: int = Field(description="Images to predict: the queue and, unmarked, those held out for measuring.")
    predicted: int


class UnlabeledOut(Schema):
    dpId: uuid.UUID
    taskId: uuid.UUID
    name: str
    items: list[str]
    itemsPresigned: list[str]
    width: int | None
    height: int | None


class LabeledOut(UnlabeledOut):
    labels: list[dict[str, Any]] = Field(description="In RedBrick's exchange form.")


class WrongOut(Schema):
    position: int = Field(description="Of the line, from 0.")
    field: str = ""
    message: str


class ReceivedOut(Schema):
    """What is kept stays kept; a line that was refused can be sent again by itself."""

    accepted: int
    ignored: int = Field(description="Of tasks that have left the queue meanwhile.")
    failed: int
    errors: list[WrongOut] = Field(description="At most the first thousand.")


@router.get("", response={200: ExternalOut, **REFUSALS})
def get_external_cycle(request: HttpRequest, where: Path[StagePath]) -> dict[str, Any]:
    """The open cycle, its taxonomy and how much there is to read. 409 while no cycle is open: trigger one."""
    cycle = external.open_cycle_of(learning_stage(request, where))
    taxonomy = cycle.stage.taxonomy
    assert taxonomy is not None  # noqa: S101
    named = {
        "name": taxonomy.name,
        "version": taxonomy.version,
        "categories": trees.to_json(taxonomies.nodes(taxonomy)),
    }
    unlabeled = external.unlabeled(cycle).count()
    return {
        "cycle": cycle.number,
        "taxonomy": named,
        "labeled": external.labeled(cycle).count(),
        "unlabeled": unlabeled,
        "predicted": unlabeled - external.unpredicted(cycle).count(),
    }


@router.get("/cycles/{number}/labeled", response={200: Page[LabeledOut], **REFUSALS})
def list_labeled(request: HttpRequest, where: Path[CyclePath], cursor: CursorQuery) -> dict[str, Any]:
    """Images with what people said of them, as of when the cycle was opened. What is held out is not among them."""
    cycle = _cycle(request, where)
    paths = trees_of(cycle)
    rows = external.labeled(cycle).select_related("datapoint__storage", "annotation")

    def shape(task: Task) -> dict[str, Any]:
        said = task.annotation.labels if task.annotation else []
        return _task(request, where.slug, task) | {
            "labels": [label_json.to_exchange(each, paths.__getitem__) for each in said]
        }

    return page(rows, cursor, shape)


@router.get("/cycles/{number}/unlabeled", response={200: Page[UnlabeledOut], **REFUSALS})
def list_unlabeled(request: HttpRequest, where: Path[CyclePath], cursor: CursorQuery) -> dict[str, Any]:
    """Images that the cycle has no prediction of yet: asked again after an interruption, only the rest."""
    cycle = _cycle(request, where)
    rows = external.unpredicted(cycle).select_related("datapoint__storage")
    return page(rows, cursor, lambda task: _task(request, where.slug, task))


@router.post("/cycles/{number}/predictions", response={200: ReceivedOut, **REFUSALS}, openapi_extra=STREAM)
def post_predictions(request: HttpRequest, where: Path[CyclePath]) -> receiving.Received:
    """Predictions as JSON lines, read as a stream and kept piece by piece; sent again, one replaces itself.

    A line is `{"taskId", "labels", "score"}`: labels in the exchange form or in Winnow's, `score` from 0 to 1 for how
    sure the model is of the image; without it the confidences of the labels say so. Images that came to the queue
    later may still be predicted for the current cycle after it was closed.
    """
    return receiving.receive(_cycle(request, where), _lines(request))


@router.post("/cycles/{number}/close", response={202: RunOut, **REFUSALS})
def close_cycle(request: HttpRequest, where: Path[CyclePath]) -> Status[Run]:
    """All predictions are in: measure them on what was held out, calibrate, rank, make them current."""
    return Status(202, external.close_cycle(_cycle(request, where)))


def trees_of(cycle: Cycle) -> dict[int, list[str]]:
    """The path of each class from the root."""
    assert cycle.stage.taxonomy is not None  # noqa: S101
    return {each["id"]: [trees.ROOT, *each["path"]] for each in taxonomies.palette(cycle.stage.taxonomy)}


def _lines(request: HttpRequest) -> Iterator[bytes]:
    """The body a line at a time; one that is too long comes cut, one byte longer than what is read of it."""
    while line := request.readline(receiving.LONGEST_LINE + 1):
        yield line
        while len(line) > receiving.LONGEST_LINE and not line.endswith(b"\n"):
            line = request.readline(receiving.LONGEST_LINE + 1)


def _cycle(request: HttpRequest, where: CyclePath) -> Cycle:
    return external.cycle_of(learning_stage(request, where), where.number)


def _task(request: HttpRequest, slug: str, task: Task) -> dict[str, Any]:
    datapoint = task.datapoint
    return {
        "dpId": datapoint.uid,
        "taskId": task.uid,
        "name": datapoint.name,
        "items": [datapoint.path],
        "itemsPresigned": [image_url(request, slug, datapoint)],
        "width": datapoint.width,
        "height": datapoint.height,
    }
