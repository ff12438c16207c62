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
from apps.api.auth import enter
from apps.api.errors import REFUSALS, Refused
from apps.api.paging import CursorQuery, Page, page
from apps.api.runs import RunOut
from apps.labeling.models import Task
from apps.projects import services
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.taxonomies.models import Taxonomy

router = Router()


class ProjectIn(Schema):
    """A project from a blueprint. What is named must be there already."""

    name: str = Field(min_length=1, max_length=80)
    description: str = ""
    instructions: str = ""
    blueprint: str = "autolabel"
    dataset: str | None = Field(None, description="Name of the dataset.")
    taxonomy: str = Field(description="Name of the taxonomy; its newest version is taken.")
    labelset: str = Field(description="Name of the labelset that is written.")
    source: str | None = Field(None, description="Name of the labelset that a reviewing pipeline begins from.")


class ProjectOut(Schema):
    id: uuid.UUID
    name: str
    description: str
    status: str
    created_at: datetime


class ProjectCreated(ProjectOut):
    run: RunOut


class StageOut(Schema):
    name: str
    brick: str
    config: dict[str, Any]
    routing: dict[str, Any]
    tasks: dict[str, int] = Field(description="Tasks by state.")


@router.get("", response={200: Page[ProjectOut], **REFUSALS})
def list_projects(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    return page(enter(request, slug, Can.SEE_PROJECTS).projects.all(), cursor, _project)


@router.post("", response={201: ProjectCreated, **REFUSALS})
def create_project(request: HttpRequest, slug: Path[str], payload: ProjectIn) -> Status[dict[str, Any]]:
    """Make a project; `run` is the job that makes its tasks."""
    organization = enter(request, slug, Can.MANAGE_PROJECTS)
    blueprint = BLUEPRINTS.get(payload.blueprint)
    if blueprint is None:
        raise Refused(422, f"The blueprint must be one of {', '.join(BLUEPRINTS)}.")
    by: Any = request.user
    project, run = services.create_project(
        organization=organization,
        name=payload.name,
        stages=blueprint.build(_choice(organization, payload)),
        by=by,
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


def project_of(organization: Organization, project_id: uuid.UUID) -> Project:
    return get_object_or_404(organization.projects, uid=project_id)


def stage_of(organization: Organization, project_id: uuid.UUID, name: str) -> Stage:
    rows = Stage.objects.select_related("project__organization", "taxonomy")
    return get_object_or_404(rows, project__organization=organization, project__uid=project_id, name=name)


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
        "config": stage.config,
        "routing": stage.routing,
        "tasks": tasks,
    }
