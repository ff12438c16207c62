"""Tasks: list them, take the next ones, save, submit, review, skip, report; and the tasks that programs label."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from ninja import Path, Query, Router, Schema
from pydantic import Field

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import caller, enter
from apps.api.datasets import image_url
from apps.api.errors import REFUSALS
from apps.api.inputs import In, example
from apps.api.labels import BOX, understood
from apps.api.paging import CursorQuery, Page, page
from apps.api.projects import project_of, stage_of
from apps.labeling import selection, transitions
from apps.labeling.models import Task, TaskState

router = Router()

Undecided = Annotated[
    Literal["accept", "drop"] | None,
    Field(description="What becomes of undecided pre-labels, instead of the project's setting."),
]


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


class Count(In):
    model_config = example(count=5)

    count: Annotated[int, Field(ge=1, le=50)] = 5


class Work(In):
    """Labels in Winnow's form or in the exchange form; `revision` is the one the task had when it was read."""

    model_config = example(labels=[BOX], revision=1, seconds=12.5)

    labels: list[dict[str, Any]]
    revision: int
    seconds: Annotated[float, Field(ge=0)] = 0.0


class Submission(Work):
    """Finished work. A pre-label that is sent as it came (`source` model, no `from`) is undecided: what becomes of
    it is the project's setting, or what `undecided` says. Where the setting is to ask, it is refused without that.
    """

    model_config = example(labels=[BOX], revision=1, seconds=12.5, undecided="drop")

    undecided: Undecided = None


class Remote(In):
    model_config = example(labels=[BOX])

    labels: list[dict[str, Any]]


class Verdict(In):
    """A reviewer agrees; with `labels`, where the stage allows edits, they are corrected first."""

    model_config = example(labels=None, revision=2, seconds=4.0)

    labels: list[dict[str, Any]] | None = None
    revision: int
    seconds: Annotated[float, Field(ge=0)] = 0.0
    undecided: Undecided = None


class Rejection(In):
    model_config = example(comment="The car on the left is missing.", revision=2, seconds=4.0)

    comment: str = Field(min_length=1, max_length=4000)
    revision: int
    seconds: Annotated[float, Field(ge=0)] = 0.0


class Reason(In):
    model_config = example(text="The image is blurred.")

    text: str = Field("", max_length=4000)


class Filter(Schema):
    stage: str | None = Field(None, description="Name of a stage: only tasks that are there.")
    state: TaskState | None = Field(None, description="Only tasks in this state.")


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
    found = stage_of(organization, project_id, stage)
    taken = selection.take_next(stage=found, user=caller(request), count=payload.count)
    return {"items": [_open(request, slug, task) for task in taken], "next": None}


@router.get("/tasks/{task_id}", response={200: OpenTask, **REFUSALS})
def get_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID) -> dict[str, Any]:
    return _open(request, slug, task_of(enter(request, slug, Can.LABEL), task_id))


@router.post("/tasks/{task_id}/save", response={200: TaskOut, **REFUSALS})
def save_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Work) -> dict[str, Any]:
    """Keep unfinished work; the lease begins anew."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    work = payload.dict() | {"labels": understood(task.stage, payload.labels)}
    return _task(transitions.save(task_id=task.uid, user=caller(request), **work))


@router.post("/tasks/{task_id}/submit", response={200: TaskOut, **REFUSALS})
def submit_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Submission) -> dict[str, Any]:
    """Done: the annotation is kept and the task goes on."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    work = payload.dict() | {"labels": understood(task.stage, payload.labels)}
    return _task(transitions.submit(task_id=task.uid, user=caller(request), **work))


@router.post("/tasks/{task_id}/accept", response={200: TaskOut, **REFUSALS})
def accept_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Verdict) -> dict[str, Any]:
    """The reviewer agrees: the task goes on."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    given = payload.dict() | {"labels": understood(task.stage, payload.labels) if payload.labels is not None else None}
    return _task(transitions.accept(task_id=task.uid, user=caller(request), **given))


@router.post("/tasks/{task_id}/reject", response={200: TaskOut, **REFUSALS})
def reject_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Rejection) -> dict[str, Any]:
    """The reviewer sends it back to who labeled it, with the reason."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    return _task(transitions.reject(task_id=task.uid, user=caller(request), **payload.dict()))


@router.post("/tasks/{task_id}/skip", response={200: TaskOut, **REFUSALS})
def skip_task(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Reason) -> dict[str, Any]:
    """Give it back unlabeled; it comes last."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    return _task(transitions.skip(task_id=task.uid, user=caller(request), reason=payload.text))


@router.post("/tasks/{task_id}/problem", response={200: TaskOut, **REFUSALS})
def report_problem(request: HttpRequest, slug: Path[str], task_id: uuid.UUID, payload: Reason) -> dict[str, Any]:
    """Nobody gets it until a manager has resolved what is wrong with it."""
    task = task_of(enter(request, slug, Can.LABEL), task_id)
    return _task(transitions.report_problem(task_id=task.uid, user=caller(request), text=payload.text))


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
    task = task_of(enter(request, slug, Can.MANAGE_PROJECTS), task_id)
    labels = understood(task.stage, payload.labels, source="import")
    return _task(transitions.submit_remote(task_id=task.uid, author=caller(request), labels=labels))


def task_of(organization: Organization, task_id: uuid.UUID) -> Task:
    rows = Task.objects.select_related("datapoint__storage", "stage__taxonomy", "assignee")
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
    opened = selection.opening(task, caller(request))
    return _task(task) | {
        "itemsPresigned": [image_url(request, slug, task.datapoint)],
        "labels": opened.labels,
        "prelabels": opened.prelabels,
    }
