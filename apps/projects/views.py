"""Pages of the projects app: the list, a project's overview and its settings."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import HtmxRequest, is_fragment, page_by_key
from apps.projects import services
from apps.projects.bricks import BRICKS
from apps.projects.drawing import draw
from apps.projects.forms import ConfirmForm, ProjectForm, StageForm
from apps.projects.models import Project
from apps.projects.overview import overview
from apps.projects.pages import frame, project_of, stage_of

A_PAGE = 50


@require_GET
def projects(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.SEE_PROJECTS)
    rows = (
        organization.projects.select_related("created_by")
        .prefetch_related("stages")
        .exclude(status=Project.Status.REMOVING)
    )
    archived = request.GET.get("show") == "archived"
    rows = rows.filter(status=Project.Status.ARCHIVED) if archived else rows.exclude(status=Project.Status.ARCHIVED)
    page = page_by_key(rows, ("-id",), request.GET.get("after", ""), A_PAGE, request.GET.get("before", ""))
    stages = {project.pk: list(project.stages.all()) for project in page.rows}
    context = {"page": page, "links": page.links(request), "archived": archived, "stages_of": stages}
    return render(request, "projects/projects.html", context)


@require_GET
def project(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    found = project_of(request, org, pk, Can.SEE_PROJECTS)
    context = frame(request, found, "overview")
    context["overview"] = figures = overview(found, context["stages"], request.user)
    context["drawing"] = draw(context["stages"], counts=figures.counts)
    template = "projects/_overview.html" if is_fragment(request) else "projects/project.html"
    return render(request, template, context)


@require_GET
def stages(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """The first stage that the member may open."""
    found = project_of(request, org, pk, Can.SEE_PROJECTS)
    links = frame(request, found, "stages")["stage_links"]
    return redirect(links[0].url) if links else redirect("projects:project", org, pk)


@require_http_methods(["GET", "POST"])
def settings(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    found = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    form = ProjectForm(request.POST or None, initial={name: getattr(found, name) for name in ProjectForm.base_fields})
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_project(project=found, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "The settings are saved.")
            return redirect("projects:settings", org, pk)
    return _settings(request, found, form=form, status=422 if form.errors else 200)


def _settings(request: HtmxRequest, found: Project, status: int = 200, **more: Any) -> HttpResponse:
    context = frame(request, found, "settings")
    context["stage_forms"] = [
        (stage, more.pop("stage_form", None) if more.get("wrong") == stage.name else _stage_form(stage))
        for stage in context["stages"]
        if BRICKS[stage.brick].settings
    ]
    return render(request, "projects/settings.html", context | more, status=status)


def _stage_form(stage: Any, data: Any = None) -> StageForm:
    brick = BRICKS[stage.brick]
    return StageForm(data, brick=brick, initial=brick.options | stage.config, prefix=stage.name)


@require_POST
def configure_stage(request: HtmxRequest, org: str, pk: int, stage: str) -> HttpResponse:
    found = stage_of(request, org, pk, stage, Can.MANAGE_PROJECTS)
    form = _stage_form(found, request.POST)
    if form.is_valid():
        try:
            services.configure_stage(stage=found, config=form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"The settings of {found.name} are saved.")
            return redirect("projects:settings", org, pk)
    general = ProjectForm(initial={name: getattr(found.project, name) for name in ProjectForm.base_fields})
    return _settings(request, found.project, 422, form=general, stage_form=form, wrong=found.name)


@require_POST
def add_datapoints(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    services.add_new_datapoints(project=project_of(request, org, pk, Can.MANAGE_PROJECTS), by=request.user)
    return redirect("projects:project", org, pk)


@require_POST
def archive(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    services.archive(project=project_of(request, org, pk, Can.MANAGE_PROJECTS), by=request.user)
    return redirect("projects:settings", org, pk)


@require_POST
def unarchive(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    services.unarchive(project=project_of(request, org, pk, Can.MANAGE_PROJECTS), by=request.user)
    return redirect("projects:settings", org, pk)


@require_POST
def delete(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    found = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    form = ConfirmForm(request.POST, name=found.name)
    if not form.is_valid():
        messages.error(request, "Nothing was deleted: type the project's name to confirm.")
        return redirect("projects:settings", org, pk)
    services.delete_project(project=found, by=request.user)
    messages.success(request, f"{found.name} is being deleted. What it wrote to its labelset stays there.")
    return redirect("projects:list", org)
