"""The labeling page and what it asks of the server. Everything but the page itself answers JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.accounts.models import Organization, User
from apps.common.http import Conflict, HtmxRequest
from apps.labeling import preferences, selection, transitions, workspace_payload
from apps.labeling.models import Comment, Task
from apps.labeling.workspace_forms import (
    CommentForm,
    Invalid,
    PreferencesForm,
    ProblemForm,
    RejectForm,
    SkipForm,
    TasksForm,
    WorkForm,
    read,
)
from apps.projects.bricks import BRICKS
from apps.projects.models import Project, Stage
from apps.taxonomies.labels import LabelErrors


@dataclass(frozen=True, slots=True)
class Desk:
    """Where somebody works: the stage, in an organization that lets them."""

    organization: Organization
    stage: Stage
    user: User

    def task(self, uid: UUID) -> Task:
        tasks = Task.objects.select_related("datapoint", "stage", "annotation")
        return get_object_or_404(tasks, uid=uid, project=self.stage.project)

    def full(self, task: Task) -> dict[str, Any]:
        return workspace_payload.full(task, self.organization, self.stage, self.user)

    def brief(self, task: Task) -> dict[str, Any]:
        return workspace_payload.brief(task, self.organization, self.stage)


def _desk(request: HtmxRequest, org: str, project: UUID, stage: str) -> Desk:
    organization = enter(request, org, Can.LABEL)
    found = get_object_or_404(
        Stage.objects.select_related("project", "taxonomy"),
        project__organization=organization, project__uid=project, name=stage,
    )  # fmt: skip
    if BRICKS[found.brick].worked_by != "people":
        raise Http404("Nobody labels in this stage.")
    return Desk(organization, found, request.user)


Answer = Callable[..., dict[str, Any]]


def as_json(view: Answer) -> Callable[..., JsonResponse]:
    """Answers JSON; what was refused comes with its reason, a conflict with the newer state of the task.

    A page that was opened by somebody else changes nothing: X-User names whose it is.
    """

    @wraps(view)
    def answer(request: HtmxRequest, *, org: str, project: UUID, stage: str, **more: Any) -> JsonResponse:
        if request.headers.get("X-User", str(request.user.pk)) != str(request.user.pk):
            return JsonResponse({"message": "Somebody else is logged in now."}, status=401)
        desk = _desk(request, org, project, stage)
        try:
            return JsonResponse(view(request, desk, **more))
        except (Invalid, LabelErrors) as error:
            return JsonResponse({"message": _reason(error), "errors": _positions(error)}, status=422)
        except Conflict as conflict:
            newer = desk.full(desk.task(more["task"])) if "task" in more else None
            return JsonResponse({"message": conflict.message, "task": newer}, status=409)

    return answer


def _reason(error: Invalid | LabelErrors) -> str:
    return error.message if isinstance(error, Invalid) else str(error)


def _positions(error: Invalid | LabelErrors) -> list[Any]:
    if isinstance(error, Invalid):
        return list(error.errors)
    return [{"position": one.position, "message": one.message} for one in error.errors]


@require_GET
@ensure_csrf_cookie
def page(request: HtmxRequest, org: str, project: UUID, stage: str) -> HttpResponse:
    desk = _desk(request, org, project, stage)
    context = {
        "stage": desk.stage,
        "project": desk.stage.project,
        "page": workspace_payload.page_data(desk.organization, desk.stage, desk.user),
        "back": _back(desk.organization, desk.stage.project),
    }
    return render(request, "labeling/workspace.html", context)


def _back(organization: Organization, project: Project) -> str:
    return reverse("projects:project", args=[organization.slug, project.pk])


@require_POST
@as_json
def take(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    tasks = selection.take_next(stage=desk.stage, user=desk.user)
    return {"tasks": [desk.full(task) for task in tasks]}


@require_GET
@as_json
def recent(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    """What the member submitted last and does not hold again."""
    tasks = selection.recent(stage=desk.stage, user=desk.user)
    return {"tasks": [desk.brief(task) for task in tasks if task.stage_id != desk.stage.pk]}


@require_GET
@as_json
def who(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    return {"user": desk.user.pk}


@require_GET
@as_json
def task(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    return {"task": desk.full(desk.task(task))}


@require_POST
@as_json
def save(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    work = read(WorkForm, request)
    saved = transitions.save(task_id=desk.task(task).uid, user=desk.user, **work)
    return {"revision": saved.revision}


@require_POST
@as_json
def submit(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    work = read(WorkForm, request)
    submitted = transitions.submit(task_id=desk.task(task).uid, user=desk.user, **work)
    return {"revision": submitted.revision}


@require_POST
@as_json
def accept(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    work = read(WorkForm, request)
    accepted = transitions.accept(task_id=desk.task(task).uid, user=desk.user, **work)
    return {"revision": accepted.revision}


@require_POST
@as_json
def reject(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    work = read(RejectForm, request)
    del work["labels"]
    rejected = transitions.reject(task_id=desk.task(task).uid, user=desk.user, **work)
    return {"revision": rejected.revision}


@require_POST
@as_json
def skip(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    skipped = transitions.skip(task_id=desk.task(task).uid, user=desk.user, **read(SkipForm, request))
    return {"revision": skipped.revision}


@require_POST
@as_json
def problem(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    reported = transitions.report_problem(task_id=desk.task(task).uid, user=desk.user, **read(ProblemForm, request))
    return {"revision": reported.revision}


@require_POST
@as_json
def reopen(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    transitions.reopen(task_id=desk.task(task).uid, user=desk.user)
    return {"task": desk.full(desk.task(task))}


@require_POST
@as_json
def renew(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    tasks = read(TasksForm, request)["tasks"]
    until = selection.renew(stage=desk.stage, user=desk.user, task_ids=tasks)
    return {"until": until, "held": workspace_payload.held(desk.stage, desk.user, tasks)}


@require_POST
@as_json
def release(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    tasks = read(TasksForm, request)["tasks"]
    return {"released": transitions.release(task_ids=tasks, by=desk.user, stage=desk.stage)}


@require_http_methods(["GET", "POST"])
@as_json
def comments(request: HtmxRequest, desk: Desk, task: UUID) -> dict[str, Any]:
    found = desk.task(task)
    if request.method == "POST":
        said = read(CommentForm, request)
        if resolved := said.pop("resolve"):
            Comment.objects.filter(task=found, pk=resolved, resolved_at=None).update(resolved_at=timezone.now())
        else:
            Comment.objects.create(task=found, author=desk.user, stage_name=desk.stage.name, **said)
    return {"comments": workspace_payload.comments(found)}


@require_POST
@as_json
def prefs(request: HtmxRequest, desk: Desk) -> dict[str, Any]:
    preferences.remember(user=desk.user, changes=read(PreferencesForm, request)["prefs"])
    return {}
