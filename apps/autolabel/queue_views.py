"""The queue's page and what is done there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.autolabel import acceptance, dashboard, pictures, queue, services, state
from apps.autolabel.forms import FlushForm, MarkedForm, OnceForm, PageForm, ThresholdForm
from apps.autolabel.models import Cycle, Prediction
from apps.autolabel.views import learning_stage, section
from apps.common.http import Conflict, HtmxRequest
from apps.common.models import Run
from apps.labeling.models import Task
from apps.projects.models import Stage

A_PAGE = 50
SURE = 90
"""The threshold, in percent, at which the dialog for accepting in bulk opens."""

ORDERS = {
    "least-confident": "Least confident first; where a class is rare, every fourth place is for one that shows it.",
    "diverse": "The least confident, spread over what they show.",
    "random": "In random order.",
}


@require_GET
def queued(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    """The queue in the order in which it is sent."""
    stage = learning_stage(request, org, pk, name)
    form = PageForm(request.GET)
    before: dict[str, Any] = form.cleaned_data if form.is_valid() else {"after": "", "shown": 0}
    current = state.learner_of(stage).current
    places = queue.top(stage, current, A_PAGE + 1, before["after"])
    rows = _rows(stage, current, [place.task_id for place in places[:A_PAGE]], before["shown"] or 0)
    following = places[A_PAGE - 1].cursor if len(places) > A_PAGE else ""
    return section(
        request, stage, "queue", rows=rows, current=current, after=before["after"], following=following,
        shown=(before["shown"] or 0) + len(rows), size=queue.size(stage), run=state.active_run(stage),
        marked_form=MarkedForm(), accept_form=FlushForm(initial={"threshold": SURE}), once=OnceForm(),
        order=ORDERS[current.strategy] if current else "In random order until the first cycle.",
        reversions=acceptance.reversions(stage), looked_at=current and _looked_at(stage, SURE / 100),
    )  # fmt: skip


def _rows(stage: Stage, current: Cycle | None, ids: list[int], shown: int) -> list[tuple[Any, ...]]:
    """(place, task, prediction, picture) of the tasks that are still there."""
    tasks = Task.objects.select_related("datapoint").in_bulk(ids)
    found = Prediction.objects.filter(cycle=current, task__in=ids).select_related("task__datapoint") if current else []
    predictions = {row.task_id: row for row in found}
    drawn = pictures.predicted(stage, list(predictions.values()))
    return [
        (shown + place, tasks[pk], predictions.get(pk), drawn.get(pk) or pictures.Picture(tasks[pk].datapoint, []))
        for place, pk in enumerate(ids, 1)
        if pk in tasks
    ]


def _looked_at(stage: Stage, threshold: float) -> dict[str, Any]:
    """What accepting at the threshold would do, and the least sure of what it would accept."""
    rows = acceptance.least_sure(stage, threshold)
    drawn = pictures.predicted(stage, rows)
    sample = [(row, drawn[row.task_id]) for row in rows]
    return {"preview": dashboard.preview(stage, threshold), "sample": sample}


@require_GET
def accept_preview(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage = learning_stage(request, org, pk, name)
    form = ThresholdForm(request.GET)
    if not form.is_valid():
        return render(request, "autolabel/_preview_error.html", {"form": form}, status=422)
    context = _looked_at(stage, form.cleaned_data["threshold"]) | {"organization": stage.project.organization}
    return render(request, "autolabel/_accept_preview.html", context)


@require_POST
def accept(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), FlushForm(request.POST)

    def act(threshold: float, key: UUID) -> str:
        run = acceptance.accept(stage, threshold=threshold, by=request.user, key=key)
        return f"{run.total} auto-labels are being accepted."

    return _done(request, stage, act, form)


@require_POST
def send_marked(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), MarkedForm(request.POST)

    def act(tasks: list[UUID], key: UUID) -> str:
        batch = acceptance.send_marked(stage, tasks=tasks, by=request.user, key=key)
        return f"Batch {batch.number} is sent: {batch.size} images."

    return _done(request, stage, act, form)


@require_POST
def revert(request: HtmxRequest, org: str, pk: int, name: str, run: UUID) -> HttpResponse:
    """Take back what a flush sent."""
    stage, form = learning_stage(request, org, pk, name), OnceForm(request.POST)
    flushed = get_object_or_404(Run, uid=run, kind=services.FLUSH, target=stage.pk)

    def act(key: UUID) -> str:
        acceptance.revert(flushed, stage, by=request.user, key=key)
        return "The auto-labels are being taken back."

    return _done(request, stage, act, form)


def _done(request: HtmxRequest, stage: Stage, act: Callable[..., str], form: Form) -> HttpResponse:
    """The queue again, saying what was done, or why nothing was."""
    try:
        if form.is_valid():
            messages.success(request, act(**form.cleaned_data))
        else:
            messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    except Conflict as refused:
        messages.error(request, refused.message)
    project = stage.project
    return redirect("autolabel:queue", project.organization.slug, project.pk, stage.name)
