"""The page of a stage that people or programs work in: how much there is, who works on what, problems."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.access import Can
from apps.accounts.models import User
from apps.common.http import HtmxRequest, is_fragment
from apps.labeling import transitions
from apps.labeling.forms import AnswerForm, MemberForm
from apps.labeling.models import Task
from apps.labeling.staffing import of_member, staffing
from apps.projects.bricks import LEARNING
from apps.projects.models import Stage
from apps.projects.pages import frame, stage_of


@require_GET
def stage(request: HtmxRequest, org: str, pk: int, stage: str) -> HttpResponse:
    found = stage_of(request, org, pk, stage, Can.SEE_PROJECTS)
    if found.brick == LEARNING:
        return redirect("autolabel:dashboard", org, pk, stage)
    context = frame(request, found.project, "stages", found)
    context["staffing"] = staffing(found)
    context["form"] = MemberForm(organization=found.project.organization)
    template = "labeling/_stage.html" if is_fragment(request) else "labeling/stage.html"
    return render(request, template, context)


@require_POST
def release(request: HtmxRequest, org: str, pk: int, stage: str) -> HttpResponse:
    """Give back what one member holds here."""
    found = stage_of(request, org, pk, stage, Can.MANAGE_PROJECTS)
    form = MemberForm(request.POST, organization=found.project.organization)
    if not form.is_valid():
        return _back(request, found, "Choose whose tasks to release.", wrong=True)
    member: User = form.cleaned_data["member"]
    tasks = [task.uid for task in of_member(found, member.pk)]
    count = transitions.release(task_ids=tasks, by=request.user, stage=found, anybodys=True)
    return _back(request, found, f"Tasks of {member} that are available again: {count}.")


@require_POST
def release_task(request: HtmxRequest, org: str, pk: int, stage: str, task: UUID) -> HttpResponse:
    found = stage_of(request, org, pk, stage, Can.MANAGE_PROJECTS)
    row = _task(found, task)
    count = transitions.release(task_ids=[row.uid], by=request.user, stage=found, anybodys=True)
    return _back(request, found, "The task is available again." if count else "Nobody held the task any more.")


@require_POST
def reassign(request: HtmxRequest, org: str, pk: int, stage: str, task: UUID) -> HttpResponse:
    found = stage_of(request, org, pk, stage, Can.MANAGE_PROJECTS)
    form = MemberForm(request.POST, organization=found.project.organization)
    if not form.is_valid():
        return _back(request, found, "Choose who gets the task.", wrong=True)
    row, member = _task(found, task), form.cleaned_data["member"]
    count = transitions.reassign(task_ids=[row.uid], to=member, by=request.user)
    return _back(request, found, f"{member} has the task on top." if count else "The task has moved on.")


@require_POST
def resolve(request: HtmxRequest, org: str, pk: int, stage: str, task: UUID) -> HttpResponse:
    found = stage_of(request, org, pk, stage, Can.MANAGE_PROJECTS)
    form = AnswerForm(request.POST)
    form.is_valid()
    transitions.resolve_problem(
        task_id=_task(found, task).uid,
        by=request.user,
        text=form.cleaned_data.get("text", ""),
        to_reporter=form.cleaned_data.get("to_reporter", False),
    )
    return _back(request, found, "The problem is resolved.")


def _task(stage: Stage, uid: UUID) -> Task:
    return get_object_or_404(Task, project=stage.project, uid=uid)


def _back(request: HtmxRequest, stage: Stage, message: str, *, wrong: bool = False) -> HttpResponse:
    (messages.error if wrong else messages.success)(request, message)
    return redirect("labeling:stage", stage.project.organization.slug, stage.project.pk, stage.name)
