"""What every page of a project shares: finding the project through the member's organization, tabs, stage links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.accounts.access import Can, allows, enter
from apps.projects import services
from apps.projects.bricks import BRICKS
from apps.projects.models import Project, Stage


@dataclass(frozen=True, slots=True)
class StageLink:
    """A stage that people or programs work in, as the drop-down shows it."""

    name: str
    brick: str
    url: str


def project_of(request: HttpRequest, org: str, pk: int, can: Can) -> Project:
    """The organization's project, if the member may do this."""
    organization = enter(request, org, can)
    return get_object_or_404(
        Project.objects.select_related("organization", "created_by"), organization=organization, pk=pk
    )


def stage_of(request: HttpRequest, org: str, pk: int, name: str, can: Can) -> Stage:
    """A stage of the organization's project, if the member may do this."""
    project = project_of(request, org, pk, can)
    stage = get_object_or_404(
        Stage.objects.select_related("taxonomy", "labelset", "dataset"), project=project, name=name
    )
    stage.project = project
    return stage


def stage_url(project: Project, stage: Stage) -> str:
    """The stage's page; the one of an active-learning stage leads on to its dashboard."""
    return reverse("labeling:stage", args=[project.organization.slug, project.pk, stage.name])


def stage_links(project: Project, stages: list[Stage], role: str) -> list[StageLink]:
    """Those the member may open."""
    manager = allows(role, Can.MANAGE_PROJECTS)
    return [
        StageLink(stage.name, stage.brick, stage_url(project, stage))
        for stage in stages
        if BRICKS[stage.brick].holds_tasks and (manager or BRICKS[stage.brick].worked_by == "people")
    ]


def frame(request: HttpRequest, project: Project, tab: str, stage: Stage | None = None) -> dict[str, Any]:
    """Context of templates/projects/base.html: tabs, stages, the run that makes or removes the project's tasks."""
    stages = list(project.stages.select_related("dataset", "labelset__taxonomy", "taxonomy"))
    membership = request.membership  # type: ignore[attr-defined]
    return {
        "project": project,
        "tab": tab,
        "stage": stage,
        "stages": stages,
        "stage_links": stage_links(project, stages, membership.role),
        "run": services.latest_run(project) if allows(membership.role, Can.MANAGE_PROJECTS) else None,
    }
