"""The page that creates a project, from a blueprint or from the JSON form, drawn and checked as it changes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.accounts.models import Organization
from apps.common.http import HtmxRequest
from apps.common.texts import whole
from apps.projects import builder, services, specs
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.bricks import BRICKS
from apps.projects.drawing import Drawing, draw
from apps.projects.forms import Named, PipelineForm, WishForm
from apps.projects.models import Project, Stage
from apps.projects.pipelines import Problem, to_json
from apps.projects.validation import validate

BLUEPRINT, JSON, STAGES = "blueprint", "json", "stages"


@dataclass(frozen=True, slots=True)
class Forms:
    """The page's way of describing a pipeline, and its forms."""

    mode: str
    named: Named
    wish: WishForm
    pipeline: PipelineForm


@dataclass
class Draft:
    """A pipeline that is not yet anything: its stages, what is wrong, how it looks."""

    stages: list[Stage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def drawing(self) -> Drawing | None:
        return draw(self.stages, problems=self.problems) if self.stages else None

    @property
    def text(self) -> str:
        return json.dumps(to_json(self.stages), indent=2)


def drafted(organization: Organization, form: WishForm) -> Draft:
    """From the blueprint form, as far as it can be read."""
    form.is_valid()
    blueprint = BLUEPRINTS.get(form.cleaned_data.get("blueprint") or "autolabel", BLUEPRINTS["autolabel"])
    stages = blueprint.build(form.wish().imagined(organization))
    return Draft(stages, validate(stages))


def read(organization: Organization, raw: object) -> Draft:
    """From the JSON form: what cannot be read and what is wrong, together."""
    stages, problems = specs.from_json(organization, raw)
    found = problems + [problem for problem in validate(stages) if _is_news(problem, problems)]
    return Draft(stages, found)


def _is_news(problem: Problem, known: list[Problem]) -> bool:
    """A name that is not there need not also be missed."""
    missed = problem.message.startswith("Please select")
    return not (missed and any(each.stage == problem.stage and "There is no" in each.message for each in known))


@require_http_methods(["GET", "POST"])
def create(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    mode = _mode(request)
    if request.method == "POST":
        return _create(request, organization, mode)
    wish = WishForm(initial={"blueprint": "autolabel"} | request.GET.dict(), organization=organization)
    asked = BLUEPRINTS.get(request.GET.get("blueprint", "autolabel"), BLUEPRINTS["autolabel"])
    draft = Draft(asked.build(Choice()))
    if mode != BLUEPRINT:
        draft.problems = validate(draft.stages)
    pipeline = PipelineForm(initial={"pipeline": draft.text})
    return _page(request, organization, Forms(mode, Named(), wish, pipeline), draft)


def _mode(request: HtmxRequest) -> str:
    asked = request.GET.get("as", "")
    return asked if asked in (JSON, STAGES) else BLUEPRINT


def _create(request: HtmxRequest, organization: Organization, mode: str) -> HttpResponse:
    by_blueprint = mode == BLUEPRINT
    named = Named(request.POST)
    wish = WishForm(request.POST if by_blueprint else None, organization=organization)
    pipeline = PipelineForm(None if by_blueprint else request.POST)
    draft = _draft(organization, wish, pipeline)
    if named.is_valid() and (wish if by_blueprint else pipeline).is_valid() and not draft.problems:
        try:
            project = _saved(request, organization, named, wish if by_blueprint else None, draft)
            return redirect("projects:project", organization.slug, project.pk)
        except services.PipelineErrors as errors:
            draft.problems = errors.problems
        except ValidationError as error:
            _blame(named, error)
    return _page(request, organization, Forms(mode, named, wish, pipeline), draft, status=422)


def _draft(organization: Organization, wish: WishForm, pipeline: PipelineForm) -> Draft:
    if wish.is_bound:
        return drafted(organization, wish)
    return read(organization, pipeline.cleaned_data["pipeline"]) if pipeline.is_valid() else Draft()


def _saved(
    request: HtmxRequest, organization: Organization, named: Named, wish: WishForm | None, draft: Draft
) -> Project:
    facts: dict[str, Any] = {"organization": organization, "by": request.user} | named.cleaned_data
    if wish is None:
        project, _ = services.create_project(stages=draft.stages, **facts)
    else:
        project, _ = services.create_from_blueprint(blueprint=wish.cleaned_data["blueprint"], wish=wish.wish(), **facts)
    return project


def _blame(named: Named, error: ValidationError) -> None:
    """The project's name is the usual one; what else was refused says so by itself."""
    fields = getattr(error, "error_dict", {})
    named.add_error("name" if "name" in fields else None, ValidationError(error.messages))


@require_POST
def preview(request: HtmxRequest, org: str) -> HttpResponse:
    """The drawing and what is wrong, for the form as it stands."""
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    as_json = "pipeline" in request.POST
    pipeline = PipelineForm(request.POST if as_json else None)
    wish = WishForm(None if as_json else request.POST, organization=organization)
    draft = _draft(organization, wish, pipeline)
    return render(request, "projects/_preview.html", {"draft": draft, "pipeline": pipeline, "wish": wish})


@require_POST
def build(request: HtmxRequest, org: str) -> HttpResponse:
    """The stage builder after a change: a field, a stage more, a stage less."""
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    items = builder.read(request.POST.dict())
    if "add" in request.POST:
        items = builder.add(items, request.POST.get("new_brick", ""))
    elif (place := whole(request.POST.get("remove", ""))) is not None:
        items = builder.remove(items, place)
    context = _building(organization, read(organization, items)) | {"new_brick": request.POST.get("new_brick", "")}
    return render(request, "projects/_builder.html", context)


def _building(organization: Organization, draft: Draft) -> dict[str, Any]:
    stages = builder.fields_of(to_json(draft.stages))
    for each in stages:
        each.problems = [problem.message for problem in draft.problems if problem.stage == each.name]
    bricks = list(BRICKS.values())
    return {"draft": draft, "stages": stages, "choices": builder.choices(organization), "bricks": bricks}


@require_POST
def from_blueprint(request: HtmxRequest, org: str) -> HttpResponse:
    """The JSON page or the stage builder, begun from a blueprint and what was chosen for it."""
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    wish = WishForm(request.POST, organization=organization)
    draft = drafted(organization, wish)
    pipeline = PipelineForm(initial={"pipeline": draft.text})
    named = Named(initial={name: request.POST.get(name, "") for name in ("name", "description")})
    return _page(request, organization, Forms(_mode(request), named, wish, pipeline), draft)


def _page(
    request: HtmxRequest, organization: Organization, forms: Forms, draft: Draft, status: int = 200
) -> HttpResponse:
    context = {
        "mode": forms.mode,
        "as_json": forms.mode == JSON,
        "named": forms.named,
        "wish": forms.wish,
        "pipeline": forms.pipeline,
        "draft": draft,
        "blueprints": list(BLUEPRINTS.values()),
    }
    if forms.mode == STAGES:
        context |= _building(organization, draft)
    return render(request, "projects/create.html", context, status=status)
