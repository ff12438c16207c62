"""Comments on a task or on one of its boxes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS
from apps.api.inputs import In, example
from apps.api.paging import CursorQuery, Page, page
from apps.api.tasks import task_of
from apps.labeling.models import Comment

router = Router()


class CommentIn(In):
    model_config = example(text="Is this one a truck?", label_id="")

    text: str = Field(min_length=1, max_length=4000)
    label_id: str = Field("", max_length=36, description="Of the box it speaks of.")


class CommentOut(Schema):
    id: int
    author: str | None
    stage: str
    label_id: str
    text: str
    at: datetime
    resolved_at: datetime | None


@router.get("", response={200: Page[CommentOut], **REFUSALS})
def list_comments(
    request: HttpRequest, slug: Path[str], task_id: Path[uuid.UUID], cursor: CursorQuery
) -> dict[str, Any]:
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    return page(task.comments.select_related("author"), cursor, _comment)


@router.post("", response={201: CommentOut, **REFUSALS})
def comment_on_task(
    request: HttpRequest, slug: Path[str], task_id: Path[uuid.UUID], payload: CommentIn
) -> Status[dict[str, Any]]:
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    made = Comment.objects.create(task=task, author=caller(request), stage_name=task.stage.name, **payload.dict())
    return Status(201, _comment(made))


@router.post("/{comment_id}/resolve", response={200: CommentOut, **REFUSALS})
def resolve_comment(request: HttpRequest, slug: Path[str], task_id: Path[uuid.UUID], comment_id: int) -> dict[str, Any]:
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    Comment.objects.filter(task=task, pk=comment_id, resolved_at=None).update(resolved_at=timezone.now())
    return _comment(get_object_or_404(task.comments.select_related("author"), pk=comment_id))


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.pk,
        "author": comment.author.email if comment.author else None,
        "stage": comment.stage_name,
        "label_id": comment.label_id,
        "text": comment.text,
        "at": comment.at,
        "resolved_at": comment.resolved_at,
    }
