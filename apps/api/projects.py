"""Projects and their stages: make from a blueprint or from JSON, list, count."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS, Refused
from apps.api.inputs import In, Name, example
from apps.api.paging import CursorQuery, Page, page
from apps.api.runs import RunOut
from apps.common.models import Run
from apps.labeling.models import Task
from apps.projects import services
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.bricks import BRICKS
from apps.projects.models import Project, Stage
from apps.projects.specs import from_json
from apps.taxonomies.models import Taxonomy

router = Router()


class ProjectIn(In):
    """A project from a blueprint or from `stages`, the JSON form of a pipeline. What is named must be there already."""

    model_config = example(
        name="Cars", blueprint="autolabel", dataset="Street cameras", taxonomy="Traffic", labelset="Final"
    )

    name: Name
    description: str = ""
    instructions: str = ""
    blueprint: str = Field("autolabel", description="Or its label, such as AutoLabel.")
    dataset: str | None = Field(None, description="Name of the dataset.")
    taxonomy: str | None = Field(None, description="Name of the taxonomy; its newest version is taken.")
    labelset: str | None = Field(None, description="Name of the labelset that is written.")
    source: str | None = Field(None, description="Name of the labelset that a reviewing pipeline begins from.")
    stages: list[dict[str, Any]] | None = Field(
        None, description='Instead of a blueprint: `[{"brickName", "stageName", "stageConfig", "routing"}]`.'
    )


class ProjectOut(Schema):
    id: uuid.UUID
    name: str
    description: str
    status: str
    created_at: datetime


class ProjectCreated(ProjectOut):
    run: RunOut


class ConfigIn(In):
    """Settings of the stage's brick; those that are left out stay as they are."""

    model_config = example(config={"batch_size": 50, "learner": "external"})

    config: dict[str, Any]


class StageOut(Schema):
    name: str
    brick: str
    config: dict[str, Any] = Field(description="Every setting of the brick, with its default where none was chosen.")
    routing: dict[str, Any]
    tasks: dict[str, int] = Field(description="Tasks by state.")


@router.get("", response={200: Page[ProjectOut], **REFUSALS})
def list_projects(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    return page(enter(request, slug, Can.SEE_PROJECTS).projects.all(), cursor, _project)


@router.post("", response={201: ProjectCreated, **REFUSALS})
def create_project(request: HttpRequest, slug: Path[str], payload: ProjectIn) -> Status[dict[str, Any]]:
    """Make a project; `run` is the job that makes its tasks."""
    organization = enter(request, slug, Can.MANAGE_PROJECTS)
    project, run = services.create_project(
        organization=organization,
        name=payload.name,
        stages=_stages(organization, payload),
        by=caller(request),
        description=payload.description,
        instructions=payload.instructions,
    )
    return Status(201, _project(project) | {"run": run})


@router.get("/{project_id}", response={200: ProjectOut, **REFUSALS})
def get_project(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> dict[str, Any]:
    return _project(project_of(enter(request, slug, Can.SEE_PROJECTS), project_id))


@router.get("/{project_id}/stages", response={200: Page[StageOut], **REFUSALS})
def list_stages(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> dict[str, Any]:
    """The stages in order, with how many tasks are in each state."""
    project = project_of(enter(request, slug, Can.SEE_PROJECTS), project_id)
    counts: dict[int, dict[str, int]] = {}
    for stage, state, number in (
        Task.objects.filter(project=project).values_list("stage", "state").annotate(Count("id")).order_by()
    ):
        counts.setdefault(stage, {})[state] = number
    return {"items": [_stage(stage, counts.get(stage.pk, {})) for stage in project.stages.all()], "next": None}


@router.get("/{project_id}/stages/{stage}", response={200: StageOut, **REFUSALS})
def get_stage(request: HttpRequest, slug: Path[str], project_id: uuid.UUID, stage: str) -> dict[str, Any]:
    return _counted(stage_of(enter(request, slug, Can.SEE_PROJECTS), project_id, stage))


@router.patch("/{project_id}/stages/{stage}", response={200: StageOut, **REFUSALS})
def configure_stage(
    request: HttpRequest, slug: Path[str], project_id: uuid.UUID, stage: str, payload: ConfigIn
) -> dict[str, Any]:
    """Other settings for a stage; they hold from now on."""
    found = stage_of(enter(request, slug, Can.MANAGE_PROJECTS), project_id, stage)
    return _counted(services.configure_stage(stage=found, config=payload.config))


@router.post("/{project_id}/datapoints", response={202: RunOut, **REFUSALS})
def add_datapoints(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> Status[Run]:
    """Make tasks of what the datasets have gained since."""
    project = project_of(enter(request, slug, Can.MANAGE_PROJECTS), project_id)
    return Status(202, services.add_new_datapoints(project=project, by=caller(request)))


@router.post("/{project_id}/archive", response={200: ProjectOut, **REFUSALS})
def archive_project(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> dict[str, Any]:
    """Nobody works in it any more; everything stays readable."""
    organization = enter(request, slug, Can.MANAGE_PROJECTS)
    services.archive(project=project_of(organization, project_id), by=caller(request))
    return _project(project_of(organization, project_id))


@router.post("/{project_id}/unarchive", response={200: ProjectOut, **REFUSALS})
def unarchive_project(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> dict[str, Any]:
    organization = enter(request, slug, Can.MANAGE_PROJECTS)
    services.unarchive(project=project_of(organization, project_id), by=caller(request))
    return _project(project_of(organization, project_id))


@router.delete("/{project_id}", response={202: RunOut, **REFUSALS})
def delete_project(request: HttpRequest, slug: Path[str], project_id: uuid.UUID) -> Status[Run]:
    """Remove it with its tasks, in a run; what it has written to its labelset stays there."""
    project = project_of(enter(request, slug, Can.MANAGE_PROJECTS), project_id)
    return Status(202, services.delete_project(project=project, by=caller(request)))


def project_of(organization: Organization, project_id: uuid.UUID) -> Project:
    return get_object_or_404(organization.projects, uid=project_id)


def stage_of(organization: Organization, project_id: uuid.UUID, name: str) -> Stage:
    rows = Stage.objects.select_related("project__organization", "taxonomy")
    return get_object_or_404(rows, project__organization=organization, project__uid=project_id, name=name)


def _stages(organization: Organization, wanted: ProjectIn) -> list[Stage]:
    if wanted.stages is not None:
        stages, problems = from_json(organization, wanted.stages)
        if problems:
            raise services.PipelineErrors(problems)
        return stages
    named = wanted.blueprint.casefold()
    blueprint = next((each for each in BLUEPRINTS.values() if named in (each.name, each.label.casefold())), None)
    if blueprint is None:
        raise Refused(422, f"The blueprint must be one of {', '.join(BLUEPRINTS)}.")
    return blueprint.build(_choice(organization, wanted))


def _choice(organization: Organization, wanted: ProjectIn) -> Choice:
    def named(rows: Any, name: str | None, what: str) -> Any:
        if name is None:
            return None
        found = rows.filter(name=name).first()
        if found is None:
            raise Refused(422, f"There is no {what} named {name!r}.")
        return found

    taxonomy: Taxonomy = named(organization.taxonomies.order_by("-version"), wanted.taxonomy, "taxonomy")
    return Choice(
        dataset=named(organization.datasets, wanted.dataset, "dataset"),
        taxonomy=taxonomy,
        labelset=named(organization.labelsets, wanted.labelset, "labelset"),
        source=named(organization.labelsets, wanted.source, "labelset"),
    )


def _project(project: Project) -> dict[str, Any]:
    return {
        "id": project.uid,
        "name": project.name,
        "description": project.description,
        "status": project.status,
        "created_at": project.created_at,
    }


def _stage(stage: Stage, tasks: dict[str, int]) -> dict[str, Any]:
    return {
        "name": stage.name,
        "brick": stage.brick,
        "config": BRICKS[stage.brick].options | stage.config,
        "routing": stage.routing,
        "tasks": tasks,
    }


def _counted(stage: Stage) -> dict[str, Any]:
    counts = stage.tasks.values_list("state").annotate(Count("id")).order_by()
    return _stage(stage, dict(counts))
