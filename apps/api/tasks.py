"""Tasks: list them, take the next ones, save, submit, comment; and the tasks that programs label."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import enter
from apps.api.datasets import image_url
from apps.api.errors import REFUSALS
from apps.api.paging import CursorQuery, Page, page
from apps.api.projects import project_of, stage_of
from apps.labeling import selection, transitions
from apps.labeling.models import Comment, Task, TaskState

router = Router()


class TaskOut(Schema):
    taskId: uuid.UUID
    dpId: uuid.UUID
    name: str
    stage: str
    state: str
    assignee: str | None
    revision: int


class OpenTask(TaskOut):
    """A task to work on: its image, what the editor begins with, the pre-labels. Of an audit nothing is shown."""

    itemsPresigned: list[str]
    labels: list[dict[str, Any]]
    prelabels: list[dict[str, Any]]


class Count(Schema):
    count: Annotated[int, Field(ge=1, le=50)] = 5


class Work(Schema):
    """Labels in Winnow's form; `revision` is the one the task had when it was read."""

    labels: list[dict[str, Any]]
    revision: int
    seconds: Annotated[float, Field(ge=0)] = 0.0


class Remote(Schema):
    labels: list[dict[str, Any]]


class CommentIn(Schema):
    text: str = Field(min_length=1, max_length=4000)


class CommentOut(Schema):
    id: int
    author: str | None
    text: str


class Filter(Schema):
    stage: str | None = None
    state: TaskState | None = None


@router.get("/projects/{project_id}/tasks", response={200: Page[TaskOut], **REFUSALS})
def list_tasks(
    request: HttpRequest, slug: Path[str], project_id: uuid.UUID, cursor: CursorQuery, wanted: Query[Filter]
) -> dict[str, Any]:
    """Tasks of a project, of one stage or state if asked for."""
    project = project_of(enter(request, slug, Can.MANAGE_PROJECTS), project_id)
    rows = Task.objects.filter(project=project).select_related("datapoint", "stage", "assignee")
    if wanted.stage is not None:
        rows = rows.filter(stage__name=wanted.stage)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    return page(rows, cursor, _task)


@router.post("/projects/{project_id}/stages/{stage}/tasks/next", response={200: Page[OpenTask], **REFUSALS})
def next_tasks(
    request: HttpRequest, slug: Path[str], project_id: uuid.UUID, stage: str, payload: Count
) -> dict[str, Any]:
    """Lease the caller's next tasks of a stage in which people work."""
    organization = enter(request, slug, Can.LABEL)
    user: Any = request.user
    taken = selection.take_next(stage=stage_of(organization, project_id, stage), user=user, count=payload.count)
    return {"items": [_open(request, slug, task) for task in taken], "next": None}


@router.get("/tasks/{task_id}", response={200: OpenTask, **REFUSALS})
def get_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID) -> dict[str, Any]:
    return _open(request, slug, _task_of(enter(request, slug, Can.LABEL), task_id))


@router.post("/tasks/{task_id}/save", response={200: TaskOut, **REFUSALS})
def save_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Work) -> dict[str, Any]:
    """Keep unfinished work; the lease begins anew."""
    task = _task_of(enter(request, slug, Can.LABEL), task_id)
    return _task(transitions.save(task_id=task.uid, user=_user(request), **payload.dict()))


@router.post("/tasks/{task_id}/submit", response={200: TaskOut, **REFUSALS})
def submit_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Work) -> dict[str, Any]:
    """Done: the annotation is kept and the task goes on."""
    task = _task_of(enter(request, slug, Can.LABEL), task_id)
    return _task(transitions.submit(task_id=task.uid, user=_user(request), **payload.dict()))


@router.post("/tasks/{task_id}/comments", response={201: CommentOut, **REFUSALS})
def comment_on_task(
    request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: CommentIn
) -> Status[dict[str, Any]]:
    task = _task_of(enter(request, slug, Can.LABEL), task_id)
    made = Comment.objects.create(task=task, author=_user(request), stage_name=task.stage.name, text=payload.text)
    return Status(201, {"id": made.pk, "author": _user(request).email, "text": made.text})


@router.get("/projects/{project_id}/stages/{stage}/remote/tasks", response={200: Page[OpenTask], **REFUSALS})
def remote_tasks(
    request: HttpRequest, slug: Path[str], project_id: uuid.UUID, stage: str, cursor: CursorQuery
) -> dict[str, Any]:
    """Tasks that wait for a program."""
    found = stage_of(enter(request, slug, Can.MANAGE_PROJECTS), project_id, stage)
    rows = Task.objects.filter(stage=found, state=TaskState.WAITING, stage__brick="remote-labeling")
    rows = rows.select_related("datapoint__storage", "stage", "assignee")
    return page(rows, cursor, lambda task: _open(request, slug, task))


@router.post("/tasks/{task_id}/remote", response={200: TaskOut, **REFUSALS})
def submit_remote_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Remote) -> dict[str, Any]:
    """A program has labeled the task."""
    task = _task_of(enter(request, slug, Can.MANAGE_PROJECTS), task_id)
    return _task(transitions.submit_remote(task_id=task.uid, author=_user(request), labels=payload.labels))


def _user(request: HttpRequest) -> Any:
    return request.user


def _task_of(organization: Organization, task_id: uuid.UUID) -> Task:
    rows = Task.objects.select_related("datapoint__storage", "stage", "assignee")
    task = rows.filter(project__organization=organization, uid=task_id).first()
    if task is None:
        raise Http404("There is no such task.")
    return task


def _task(task: Task) -> dict[str, Any]:
    return {
        "taskId": task.uid,
        "dpId": task.datapoint.uid,
        "name": task.datapoint.name,
        "stage": task.stage.name,
        "state": task.state,
        "assignee": task.assignee.email if task.assignee else None,
        "revision": task.revision,
    }


def _open(request: HttpRequest, slug: str, task: Task) -> dict[str, Any]:
    opened = selection.opening(task, _user(request))
    return _task(task) | {
        "itemsPresigned": [image_url(request, slug, task.datapoint)],
        "labels": opened.labels,
        "prelabels": opened.prelabels,
    }
