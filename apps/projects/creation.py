"""The page that creates a project, from a blueprint or from the JSON form, drawn and checked as it changes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.accounts.models import Organization
from apps.common.http import HtmxRequest
from apps.projects import services, specs
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.bricks import BRICKS
from apps.projects.drawing import Drawing, draw
from apps.projects.forms import Named, PipelineForm, WishForm
from apps.projects.models import Project, Stage
from apps.projects.pipelines import Problem, to_json
from apps.projects.validation import validate


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
    as_json = request.GET.get("as") == "json"
    if request.method == "POST":
        return _create(request, organization, as_json)
    wish = WishForm(initial={"blueprint": "autolabel"} | request.GET.dict(), organization=organization)
    asked = BLUEPRINTS.get(request.GET.get("blueprint", "autolabel"), BLUEPRINTS["autolabel"])
    draft = Draft(asked.build(Choice()))
    pipeline = PipelineForm(initial={"pipeline": draft.text})
    if as_json:
        draft.problems = validate(draft.stages)
    return _page(request, as_json, Named(), wish, pipeline, draft)


def _create(request: HtmxRequest, organization: Organization, as_json: bool) -> HttpResponse:
    named = Named(request.POST)
    wish = WishForm(request.POST if not as_json else None, organization=organization)
    pipeline = PipelineForm(request.POST if as_json else None)
    draft = _draft(organization, wish, pipeline, as_json)
    if named.is_valid() and (pipeline if as_json else wish).is_valid() and not draft.problems:
        try:
            project = _saved(request, organization, named, None if as_json else wish, draft)
            return redirect("projects:project", organization.slug, project.pk)
        except services.PipelineErrors as errors:
            draft.problems = errors.problems
        except ValidationError as error:
            _blame(named, wish, error)
    return _page(request, as_json, named, wish, pipeline, draft, status=422)


def _draft(organization: Organization, wish: WishForm, pipeline: PipelineForm, as_json: bool) -> Draft:
    if not as_json:
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


def _blame(named: Named, wish: WishForm, error: ValidationError) -> None:
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
    draft = _draft(organization, wish, pipeline, as_json)
    return render(request, "projects/_preview.html", {"draft": draft, "pipeline": pipeline, "wish": wish})


@require_GET
def blueprint_json(request: HtmxRequest, org: str) -> HttpResponse:
    """The JSON page, begun from a blueprint and what was chosen for it."""
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    wish = WishForm(request.GET, organization=organization)
    draft = drafted(organization, wish)
    pipeline = PipelineForm(initial={"pipeline": draft.text})
    named = Named(initial={name: request.GET.get(name, "") for name in ("name", "description")})
    return _page(request, True, named, wish, pipeline, draft)


def _page(
    request: HtmxRequest,
    as_json: bool,
    named: Named,
    wish: WishForm,
    pipeline: PipelineForm,
    draft: Draft,
    status: int = 200,
) -> HttpResponse:
    context = {
        "as_json": as_json,
        "named": named,
        "wish": wish,
        "pipeline": pipeline,
        "draft": draft,
        "blueprints": list(BLUEPRINTS.values()),
        "bricks": list(BRICKS.values()),
    }
    return render(request, "projects/create.html", context, status=status)
