"""Pages and actions of an active-learning stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.access import Can
from apps.autolabel import bundle, dashboard, files, services, state, worth
from apps.autolabel.forms import CheckForm, FlushForm, SendForm, ThresholdForm, TriggerForm
from apps.autolabel.models import Cycle, FlushCheck, Unreadable
from apps.autolabel.worst import worst
from apps.common.http import Conflict, HtmxRequest, is_fragment, page_by_key
from apps.labeling.models import Batch, Task
from apps.projects.bricks import LEARNING
from apps.projects.models import Stage
from apps.projects.pages import frame, stage_of

A_PAGE = 50
SURE_ENOUGH = 0.9
"""Expected agreement that the figures of work to go, and the threshold that the histogram, begin with."""
BATCHES_SHOWN = 20
UNREADABLE_SHOWN = 50


def learning_stage(request: HtmxRequest, org: str, pk: int, name: str) -> Stage:
    stage = stage_of(request, org, pk, name, Can.RUN_LEARNING)
    if stage.brick != LEARNING:
        raise Http404("Not an active-learning stage.")
    return stage


def section(request: HtmxRequest, stage: Stage, name: str, status: int = 200, **more: Any) -> HttpResponse:
    """One of the stage's three pages, or the fragment that is the middle of it."""
    context = frame(request, stage.project, "stages", stage) | {"part": name} | more
    return render(request, f"autolabel/{'_' if is_fragment(request) else ''}{name}.html", context, status=status)


@require_GET
def overview(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    return _overview(request, learning_stage(request, org, pk, name))


def _overview(request: HtmxRequest, stage: Stage, status: int = 200, **forms: Form) -> HttpResponse:
    """The dashboard; `forms` are those that came back with errors."""
    found = dashboard.overview(stage)
    context: dict[str, Any] = {
        "overview": found,
        "send_form": SendForm(initial={"size": min(found.batch_size, found.queued or found.batch_size)}),
        "trigger_form": TriggerForm(initial={"again": bool(found.trigger.confirm)}),
        "flush_form": FlushForm(initial={"threshold": 0}),
        "check_form": CheckForm(initial={"threshold": 0, "size": 30}),
        "preview": dashboard.preview(stage, 0.0, levels=found.levels),
        "work": worth.work(stage, labeled=found.labeled, total=found.total, levels=found.levels, wanted=SURE_ENOUGH),
        "precision": worth.precision(stage, found.current),
        "worst": worst(found.current) if found.current else [],
        "drawn": dashboard.preview(stage, SURE_ENOUGH, drawn=True, levels=found.levels) if found.current else None,
        "checks": [(check, state.check_result(check)) for check in _checks(stage)],
    }
    return section(request, stage, "overview", status=status, **(context | forms))


def _checks(stage: Stage) -> list[FlushCheck]:
    return list(FlushCheck.objects.filter(stage=stage).select_related("batch", "cycle").order_by("-id")[:3])


@require_GET
def training(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    """The training set, batches and cycles."""
    stage = learning_stage(request, org, pk, name)
    tasks = Task.objects.filter(project=stage.project, in_training_set=True, annotation__isnull=False)
    tasks = tasks.select_related("datapoint", "annotation__author", "batch")
    page = page_by_key(tasks, ("-annotation_id",), request.GET.get("after", ""), A_PAGE, request.GET.get("before", ""))
    current = state.learner_of(stage).current
    context = {
        "page": page,
        "links": page.links(request),
        "training": state.training_set(stage, current),
        "current": current,
        "cycles": dashboard.cycle_rows(stage).order_by("-number")[:A_PAGE],
        "batches": state.batches(stage)[:BATCHES_SHOWN],
        "unreadable": Unreadable.objects.filter(cycle=current).select_related("task__datapoint")[:UNREADABLE_SHOWN],
    }
    return section(request, stage, "training", **context)


@require_GET
def preview(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    """What a flush at the threshold of the slider would send."""
    stage = learning_stage(request, org, pk, name)
    form = ThresholdForm(request.GET)
    if not form.is_valid():
        return render(request, "autolabel/_preview_error.html", {"form": form}, status=422)
    drawn = "drawn" in request.GET
    found = dashboard.preview(stage, form.cleaned_data["threshold"], drawn=drawn)
    return render(request, "autolabel/_preview.html", {"preview": found, "stage": stage})


@require_GET
def model(request: HtmxRequest, org: str, pk: int, name: str, number: int) -> FileResponse:
    """The ONNX file of a cycle."""
    cycle = _with_model(learning_stage(request, org, pk, name), number)
    path = files.path_of(cycle.model_path)
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"cycle-{cycle.number}.onnx")


@require_GET
def model_bundle(request: HtmxRequest, org: str, pk: int, name: str, number: int) -> FileResponse:
    """The same with its classes and a script that runs it."""
    cycle = _with_model(learning_stage(request, org, pk, name), number)
    return FileResponse(bundle.bundle(cycle), as_attachment=True, filename=f"cycle-{cycle.number}.zip")


def _with_model(stage: Stage, number: int) -> Cycle:
    cycle = get_object_or_404(Cycle.objects.select_related("stage"), stage=stage, number=number)
    if not cycle.model_path:
        raise Http404("This cycle has no model.")
    try:
        files.path_of(cycle.model_path)
    except files.Missing as error:
        raise Http404(str(error)) from error
    return cycle


@require_POST
def send(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), SendForm(request.POST)
    if not form.is_valid():
        return _overview(request, stage, 422, send_form=form)

    def act(size: int, key: UUID) -> str:
        batch = services.send_batch(stage, size=size, by=request.user, key=key)
        audits = f", and {batch.audits} drawn at random to be labeled blind" if batch.audits else ""
        return f"Batch {batch.number} is sent: {batch.size} images{audits}."

    return _done(request, stage, act, form)


@require_POST
def trigger(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), TriggerForm(request.POST)

    def act(again: bool, key: UUID) -> str:
        cycle = services.trigger_cycle(stage, by=request.user, key=key, again=again)
        return f"Cycle {cycle.number} has been triggered."

    return _done(request, stage, act, form) if form.is_valid() else _overview(request, stage, 422, trigger_form=form)


@require_POST
def flush(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), FlushForm(request.POST)

    def act(threshold: float, key: UUID) -> str:
        services.flush(stage, threshold=threshold, by=request.user, key=key)
        return "The flush has begun."

    return _done(request, stage, act, form) if form.is_valid() else _overview(request, stage, 422, flush_form=form)


@require_POST
def check(request: HtmxRequest, org: str, pk: int, name: str) -> HttpResponse:
    stage, form = learning_stage(request, org, pk, name), CheckForm(request.POST)

    def act(threshold: float, size: int, key: UUID) -> str:
        found = services.check_first(stage, threshold=threshold, size=size, by=request.user, key=key)
        return f"{found.batch.audits} images are sent to be labeled blind."

    return _done(request, stage, act, form) if form.is_valid() else _overview(request, stage, 422, check_form=form)


@require_POST
def recall(request: HtmxRequest, org: str, pk: int, name: str, number: int) -> HttpResponse:
    stage = learning_stage(request, org, pk, name)
    batch = get_object_or_404(Batch.objects.select_related("stage__project__organization"), stage=stage, number=number)
    recalled = services.recall(batch, by=request.user)
    messages.success(request, f"{recalled} images of batch {number} are back in the queue.")
    return redirect("autolabel:training", org, pk, name)


def _done(request: HtmxRequest, stage: Stage, act: Callable[..., str], form: Form) -> HttpResponse:
    """The dashboard again, saying what was done; or as it is, saying why nothing was."""
    try:
        messages.success(request, act(**form.cleaned_data))
    except Conflict as refused:
        messages.error(request, refused.message)
        return _overview(request, stage, 409)
    project = stage.project
    return redirect("autolabel:dashboard", project.organization.slug, project.pk, stage.name)
