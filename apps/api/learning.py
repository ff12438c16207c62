"""The active-learning stage: figures, batches, cycles, flushes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS, Refused
from apps.api.inputs import In, Number, binary, example
from apps.api.paging import CursorQuery, Page, page
from apps.api.projects import stage_of
from apps.api.runs import RunOut
from apps.autolabel import queue, services, state
from apps.autolabel.models import Cycle, Prediction
from apps.autolabel.views import model
from apps.common.http import Conflict
from apps.common.models import Run
from apps.labeling.models import Batch, Task
from apps.projects.models import Stage

router = Router()


class StagePath(Schema):
    """Which stage an address names."""

    slug: str
    project_id: uuid.UUID
    stage: str


class CyclePath(StagePath):
    number: Number


class SummaryOut(Schema):
    queued: int
    training_images: int
    held_out_images: int
    new_labels: int = Field(description="Since the last cycle.")
    missing: int = Field(description="Labeled images with a box still needed before a cycle.")
    cycle: int | None = Field(description="Number of the cycle whose predictions and order count.")
    mean_confidence: float | None
    agreement: float | None
    running: RunOut | None


class BatchIn(In):
    model_config = example(size=100)

    size: Annotated[int, Field(ge=1, le=1_000_000)]


class BatchOut(Schema):
    number: int
    size: int
    audits: int
    at: datetime
    recalled_at: datetime | None


class QueueCursor(Schema):
    after: str = Field("", description="The `next` of the page before.", max_length=200)
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


QueueCursorQuery = Query[QueueCursor]


class RecalledOut(Schema):
    recalled: int


class QueuedOut(Schema):
    taskId: uuid.UUID
    name: str
    confidence: float | None = Field(description="Null where nothing is predicted yet.")


class CycleIn(In):
    model_config = example(again=False)

    again: bool = Field(False, description="Train although nothing was labeled since the last cycle.")


class CycleOut(Schema):
    number: int
    is_external: bool
    labeled: int
    total: int
    train_images: int
    held_out_images: int
    train_seconds: float | None
    predict_seconds: float | None
    mean_confidence: float | None
    agreement: float | None
    agreement_low: float | None
    agreement_high: float | None
    agreement_n: int
    ended_at: datetime | None


@router.get("", response={200: SummaryOut, **REFUSALS})
def summary(request: HttpRequest, where: Path[StagePath]) -> dict[str, Any]:
    """The figures of the stage's dashboard, and the cycle or flush that is running."""
    found = learning_stage(request, where)
    current = state.learner_of(found).current
    labeled = state.training_set(found, current)
    return {
        "queued": queue.size(found),
        "training_images": labeled.images,
        "held_out_images": labeled.held_out,
        "new_labels": labeled.new,
        "missing": labeled.missing,
        "cycle": current.number if current else None,
        "mean_confidence": current.mean_confidence if current else None,
        "agreement": current.agreement if current else None,
        "running": state.active_run(found),
    }


@router.post("/batches", response={201: BatchOut, **REFUSALS})
def send_batch(request: HttpRequest, where: Path[StagePath], payload: BatchIn) -> Any:
    """Send the least sure images, and audits beside them, to be labeled."""
    found = learning_stage(request, where)
    return Status(201, services.send_batch(found, size=payload.size, by=caller(request)))


@router.post("/cycles", response={202: RunOut, **REFUSALS})
def trigger_cycle(request: HttpRequest, where: Path[StagePath], payload: CycleIn) -> Status[Run | None]:
    """Train, calibrate, predict the queue, reorder it; with an external learner: open a cycle for its predictions."""
    found = learning_stage(request, where)
    try:
        return Status(202, services.trigger_cycle(found, by=caller(request), again=payload.again).run)
    except Conflict as error:
        if not error.state.get("confirm"):
            raise
        # The pages ask; a program says it beforehand.
        reason = "Nothing was labeled since the last cycle. With `again` the stage is trained all the same."
        raise Conflict(reason, again=payload.again) from error


@router.get("/cycles", response={200: Page[CycleOut], **REFUSALS})
def list_cycles(request: HttpRequest, where: Path[StagePath], cursor: CursorQuery) -> dict[str, Any]:
    return page(Cycle.objects.filter(stage=learning_stage(request, where)), cursor)


@router.get(
    "/cycles/{number}/model", response={200: None, **REFUSALS}, openapi_extra=binary("application/octet-stream")
)
def get_model(request: HttpRequest, where: Path[CyclePath]) -> FileResponse:
    """The ONNX file of a cycle: normalization and box decoding are inside."""
    page_request: Any = request
    found = learning_stage(request, where)
    return model(page_request, where.slug, found.project_id, found.name, where.number)


@router.get("/queue", response={200: Page[QueuedOut], **REFUSALS})
def list_queue(request: HttpRequest, where: Path[StagePath], cursor: QueueCursorQuery) -> dict[str, Any]:
    """The queue in the order in which it is sent."""
    found = learning_stage(request, where)
    current = state.learner_of(found).current
    try:
        places = queue.top(found, current, cursor.limit + 1, cursor.after)
    except Conflict as error:
        raise Refused(422, error.message) from error
    ids = [place.task_id for place in places[: cursor.limit]]
    tasks = Task.objects.select_related("datapoint").in_bulk(ids)
    sure = dict(Prediction.objects.filter(cycle=current, task__in=ids).values_list("task", "confidence"))
    items = [
        {"taskId": tasks[pk].uid, "name": tasks[pk].datapoint.name, "confidence": sure.get(pk)}
        for pk in ids
        if pk in tasks
    ]
    return {"items": items, "next": places[cursor.limit - 1].cursor if len(places) > cursor.limit else None}


@router.get("/batches", response={200: Page[BatchOut], **REFUSALS})
def list_batches(request: HttpRequest, where: Path[StagePath], cursor: CursorQuery) -> dict[str, Any]:
    return page(Batch.objects.filter(stage=learning_stage(request, where)), cursor)


@router.post("/batches/{number}/recall", response={200: RecalledOut, **REFUSALS})
def recall_batch(request: HttpRequest, where: Path[CyclePath]) -> dict[str, int]:
    """The unlabeled rest of a batch returns to the queue."""
    found = learning_stage(request, where)
    rows = Batch.objects.select_related("stage__project__organization")
    return {"recalled": services.recall(get_object_or_404(rows, stage=found, number=where.number), by=caller(request))}


@router.post("/cancel", response={200: RunOut, **REFUSALS})
def cancel(request: HttpRequest, where: Path[StagePath]) -> Run:
    """Stop the cycle or flush that holds the stage."""
    return services.cancel(learning_stage(request, where), by=caller(request))


def learning_stage(request: HttpRequest, where: StagePath) -> Stage:
    """The active-learning stage, for whoever may run it."""
    stage = stage_of(enter(request, where.slug, Can.RUN_LEARNING), where.project_id, where.stage)
    state.learner_of(stage)
    return stage
