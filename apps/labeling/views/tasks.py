"""The task list with its filters and bulk actions, and the viewer of one task with its history."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.access import Can
from apps.common.http import HtmxRequest, is_fragment, page_by_key
from apps.labeling import transitions
from apps.labeling.forms import BulkForm, TaskFilter
from apps.labeling.listing import history, layers, tasks_of
from apps.labeling.models import Comment, Prelabel, Task
from apps.projects.models import Project
from apps.projects.pages import frame, project_of
from apps.taxonomies.labels import agreement

A_PAGE = 50


@require_GET
def tasks(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    project = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    form = TaskFilter(request.GET, project=project)
    wanted = form.cleaned_data if form.is_valid() else {}
    rows = tasks_of(project, wanted)
    page = page_by_key(rows, ("id",), request.GET.get("after", ""), A_PAGE, request.GET.get("before", ""))
    context = frame(request, project, "tasks") | {"form": form, "page": page, "links": page.links(request)}
    context |= {
        "bulk": BulkForm(project=project),
        "is_filtered": any(value is not None and value != "" for value in wanted.values()),
    }
    template = "labeling/_tasks.html" if is_fragment(request) else "labeling/tasks.html"
    return render(request, template, context, status=200 if form.is_valid() else 422)


@require_GET
def task(request: HtmxRequest, org: str, pk: int, task: UUID) -> HttpResponse:
    project = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    found = get_object_or_404(
        Task.objects.select_related("datapoint__dataset", "stage", "assignee", "reserved_for", "annotation", "batch"),
        project=project, uid=task,
    )  # fmt: skip
    events = history(found)
    chosen = next((event for event in events if str(event.pk) == request.GET.get("event")), None)
    frozen = Prelabel.objects.filter(task=found).first()
    context = frame(request, project, "tasks") | {
        "task": found,
        "events": events,
        "chosen": chosen,
        "boxes": layers(found, chosen),
        "prelabel": frozen,
        "agreement": agreement(frozen.labels, found.annotation.labels) if frozen and found.annotation else None,
        "comments": Comment.objects.filter(task=found).select_related("author").order_by("id"),
    }
    template = "labeling/_task.html" if is_fragment(request) else "labeling/task.html"
    return render(request, template, context)


@require_POST
def bulk(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """One action on the tasks that are marked."""
    project = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    form = BulkForm(request.POST, project=project)
    marked = _marked(project, request.POST.getlist("tasks"))
    if not marked:
        messages.error(request, "Mark the tasks first.")
    elif not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    else:
        count = _act(request, form, marked)
        rest = len(marked) - count
        left = f" {rest} could not be: they have moved on or are not open." if rest else ""
        messages.success(request, f"Done for {count} of {len(marked)} tasks.{left}")
    return redirect(_origin(request, project))


def _marked(project: Project, values: Sequence[str]) -> list[UUID]:
    """Those of the marked tasks that are the project's."""
    uids = []
    for value in values[: 10 * A_PAGE]:
        try:
            uids.append(UUID(value))
        except ValueError:
            continue
    return list(Task.objects.filter(project=project, uid__in=uids).values_list("uid", flat=True))


def _act(request: HtmxRequest, form: BulkForm, marked: list[UUID]) -> int:
    data = form.cleaned_data
    if data["action"] == "release":
        return transitions.release(task_ids=marked, by=request.user, anybodys=True)
    if data["action"] == "assign":
        return transitions.reassign(task_ids=marked, to=data["member"], by=request.user)
    if data["action"] == "priority":
        return transitions.set_priority(task_ids=marked, priority=data["priority"], by=request.user)
    return transitions.move_to(task_ids=marked, stage=data["stage"], by=request.user)


def _origin(request: HtmxRequest, project: Project) -> str:
    """The list as it was filtered."""
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return back
    return reverse("labeling:tasks", args=[project.organization.slug, project.pk])
