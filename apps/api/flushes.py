"""What leaves an active-learning stage: looked at first, flushed, accepted in bulk, taken back."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from apps.api.auth import caller
from apps.api.errors import REFUSALS
from apps.api.inputs import In, example
from apps.api.learning import QueuedOut, StagePath, learning_stage
from apps.api.runs import RunOut
from apps.autolabel import acceptance, dashboard, services
from apps.common.models import Run

router = Router()

Threshold = Annotated[float, Field(ge=0, le=1, description="The lowest confidence that leaves.")]


class FlushPath(StagePath):
    uid: uuid.UUID


class FlushIn(In):
    model_config = example(threshold=0.9)

    threshold: Threshold = 0.0


class AcceptIn(In):
    model_config = example(threshold=0.95)

    threshold: Threshold


class At(Schema):
    threshold: Threshold = 0.0


class MeasuredOut(Schema):
    """Agreement with people's labels, measured on held-out images at or above the threshold."""

    n: int
    mean: float | None
    low: float | None
    high: float | None


class PreviewOut(Schema):
    threshold: float
    labeled: int = Field(description="Images with labels of people: a flush sends them, accepting does not.")
    auto: int = Field(description="Auto-labels at or above the threshold: sent by either.")
    below: int = Field(description="Predicted, but below the threshold: they stay.")
    unpredicted: int = Field(description="Without a prediction: they stay.")
    expected: float | None = Field(description="Expected agreement of the auto-labels.")
    measured: MeasuredOut
    least_sure: list[QueuedOut] = Field(description="A few of those that the threshold just lets through.")


@router.get("/preview", response={200: PreviewOut, **REFUSALS})
def preview_flush(request: HttpRequest, where: Path[StagePath], at: Query[At]) -> dict[str, Any]:
    """What would leave at a threshold, and what is known of its quality. Changes nothing."""
    found = learning_stage(request, where)
    seen = dashboard.preview(found, at.threshold)
    counts = seen.found
    return {
        "threshold": at.threshold,
        "labeled": counts.labeled,
        "auto": counts.auto,
        "below": counts.below,
        "unpredicted": counts.unpredicted,
        "expected": seen.expected,
        "measured": seen.measured,
        "least_sure": [
            {"taskId": row.task.uid, "name": row.task.datapoint.name, "confidence": row.confidence}
            for row in acceptance.least_sure(found, at.threshold)
        ],
    }


@router.post("", response={202: RunOut, **REFUSALS})
def flush(request: HttpRequest, where: Path[StagePath], payload: FlushIn) -> Status[Run]:
    """Send human labels, and predictions at or above the threshold, to the labelset."""
    found = learning_stage(request, where)
    return Status(202, services.flush(found, threshold=payload.threshold, by=caller(request)))


@router.post("/accept", response={202: RunOut, **REFUSALS})
def accept_predictions(request: HttpRequest, where: Path[StagePath], payload: AcceptIn) -> Status[Run]:
    """Send predictions at or above the threshold to the labelset; what people labeled stays for a flush."""
    found = learning_stage(request, where)
    return Status(202, acceptance.accept(found, threshold=payload.threshold, by=caller(request)))


@router.post("/{uid}/revert", response={202: RunOut, **REFUSALS})
def revert_flush(request: HttpRequest, where: Path[FlushPath]) -> Status[Run]:
    """Take back the auto-labels that a flush or an acceptance sent, where nothing was done with them since."""
    found = learning_stage(request, where)
    flushed = get_object_or_404(Run, uid=where.uid, kind=services.FLUSH, target=found.pk)
    return Status(202, acceptance.revert(flushed, found, by=caller(request)))
