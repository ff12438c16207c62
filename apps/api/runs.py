"""Long jobs: how far they are, how they ended; cancel."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS
from apps.api.paging import CursorQuery, Page, page
from apps.common import runs
from apps.common.models import Run
from apps.common.views import get_run as run_of

router = Router()


class RunOut(Schema):
    uid: uuid.UUID
    kind: str
    status: str
    phase: str
    done: int
    total: int
    error: str
    result: dict[str, Any]
    created_at: datetime
    ended_at: datetime | None


@router.get("", response={200: Page[RunOut], **REFUSALS})
def list_runs(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    """The organization's runs, oldest first."""
    return page(enter(request, slug, Can.SEE_WAREHOUSE).runs.all(), cursor)


@router.get("/{uid}", response={200: RunOut, **REFUSALS})
def get_run(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> Run:
    return _run(request, slug, uid)


@router.post("/{uid}/cancel", response={200: RunOut, **REFUSALS})
def cancel_run(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> Run:
    """Stop a run for good; its job notices at its next write."""
    return runs.cancel(_run(request, slug, uid), caller(request))


@router.post("/{uid}/retry", response={200: RunOut, **REFUSALS})
def retry_run(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> Run:
    """Begin a failed or canceled run again."""
    return runs.retry(_run(request, slug, uid), caller(request))


def _run(request: HttpRequest, slug: str, uid: uuid.UUID) -> Run:
    """The run, by the right that its kind asks for."""
    enter(request, slug, Can.SEE_PROJECTS)
    page_request: Any = request
    return run_of(page_request, slug, uid)
