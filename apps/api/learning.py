"""The active-learning stage: figures, batches, cycles, flushes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import enter
from apps.api.errors import REFUSALS
from apps.api.paging import CursorQuery, Page, page
from apps.api.projects import stage_of
from apps.api.runs import RunOut
from apps.autolabel import queue, services, state
from apps.autolabel.models import Cycle
from apps.common.models import Run
from apps.projects.models import Stage

router = Router()


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


class BatchIn(Schema):
    size: Annotated[int, Field(ge=1, le=1_000_000)]


class BatchOut(Schema):
    number: int
    size: int
    audits: int


class CycleIn(Schema):
    again: bool = Field(False, description="Train although nothing was labeled since the last cycle.")


class FlushIn(Schema):
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class CycleOut(Schema):
    number: int
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
def summary(request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str]) -> dict[str, Any]:
    found = _stage(request, slug, project_id, stage)
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
def send_batch(
    request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str], payload: BatchIn
) -> Any:
    """Send the least sure images, and audits beside them, to be labeled."""
    found = _stage(request, slug, project_id, stage)
    return Status(201, services.send_batch(found, size=payload.size, by=_user(request)))


@router.post("/cycles", response={202: RunOut, **REFUSALS})
def trigger_cycle(
    request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str], payload: CycleIn
) -> Status[Run | None]:
    """Train, calibrate, predict the queue, reorder it."""
    found = _stage(request, slug, project_id, stage)
    return Status(202, services.trigger_cycle(found, by=_user(request), again=payload.again).run)


@router.get("/cycles", response={200: Page[CycleOut], **REFUSALS})
def list_cycles(
    request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str], cursor: CursorQuery
) -> dict[str, Any]:
    return page(Cycle.objects.filter(stage=_stage(request, slug, project_id, stage)), cursor)


@router.post("/cancel", response={200: RunOut, **REFUSALS})
def cancel(request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str]) -> Run:
    """Stop the cycle or flush that holds the stage."""
    return services.cancel(_stage(request, slug, project_id, stage), by=_user(request))


@router.post("/flushes", response={202: RunOut, **REFUSALS})
def flush(
    request: HttpRequest, slug: Path[str], project_id: Path[uuid.UUID], stage: Path[str], payload: FlushIn
) -> Status[Run]:
    """Send human labels, and predictions at or above the threshold, to the labelset."""
    found = _stage(request, slug, project_id, stage)
    return Status(202, services.flush(found, threshold=payload.threshold, by=_user(request)))


def _stage(request: HttpRequest, slug: str, project_id: uuid.UUID, name: str) -> Stage:
    return stage_of(enter(request, slug, Can.RUN_LEARNING), project_id, name)


def _user(request: HttpRequest) -> Any:
    return request.user
