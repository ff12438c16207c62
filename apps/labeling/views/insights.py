"""The insights of a project, and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.access import Can
from apps.common.http import HtmxRequest, is_fragment
from apps.labeling import insights
from apps.labeling.forms import InsightFilter
from apps.labeling.insights import Period
from apps.projects.models import Project
from apps.projects.pages import frame, project_of

Cell = str | int | float | None


def _asked(request: HtmxRequest, project: Project) -> tuple[InsightFilter, Period]:
    form = InsightFilter({"days": "30"} | request.GET.dict(), project=project)
    wanted = form.cleaned_data if form.is_valid() else {}
    since = insights.since_days(wanted.get("days") or 30, timezone.now())
    return form, Period(project, wanted.get("stage"), since)


@require_GET
def page(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    project = project_of(request, org, pk, Can.SEE_INSIGHTS)
    form, asked = _asked(request, project)
    cycles = insights.cycles(project)
    context = frame(request, project, "insights") | {
        "form": form,
        "totals": insights.totals(asked),
        "members": insights.members(asked),
        "days": insights.days(asked),
        "cycles": cycles,
        "chart": insights.cycles_chart(cycles),
        "classes": insights.classes(project, asked.since),
    }
    template = "labeling/_insights.html" if is_fragment(request) else "labeling/insights.html"
    return render(request, template, context)


def _members(asked: Period) -> Iterable[Sequence[Cell]]:
    for row in insights.members(asked):
        yield (
            row.name, row.tasks, row.boxes, row.reviews, round(row.seconds, 1), _two(row.seconds_a_task),
            _two(row.seconds_a_box),
        )  # fmt: skip


def _cycles(asked: Period) -> Iterable[Sequence[Cell]]:
    for row in insights.cycles(asked.project):
        yield row["cycle"] or "", row["images"], _two(row["seconds_image"]), _two(row["seconds_box"])


def _classes(asked: Period) -> Iterable[Sequence[Cell]]:
    for row in insights.classes(asked.project, asked.since):
        yield row.name, row.shown, row.kept, _two(row.acceptance), row.added


def _days(asked: Period) -> Iterable[Sequence[Cell]]:
    for day, tasks, seconds in insights.days(asked):
        yield day.isoformat(), tasks, round(seconds, 1)


PARTS: dict[str, tuple[tuple[str, ...], Callable[[Period], Iterable[Sequence[Cell]]]]] = {
    "members": (
        ("member", "tasks", "boxes", "reviews", "active_seconds", "seconds_per_task", "seconds_per_box"),
        _members,
    ),
    "cycles": (("cycle_of_prelabels", "images", "seconds_per_image", "seconds_per_box"), _cycles),
    "classes": (("class", "shown", "accepted", "acceptance", "added"), _classes),
    "days": (("day", "tasks", "active_seconds"), _days),
}


@require_GET
def as_csv(request: HtmxRequest, org: str, pk: int, part: str) -> HttpResponse:
    project = project_of(request, org, pk, Can.SEE_INSIGHTS)
    if part not in PARTS:
        raise Http404("There is no such table.")
    _, asked = _asked(request, project)
    head, rows = PARTS[part]
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{part}-{project.pk}.csv"'
    writer = csv.writer(response)
    writer.writerow(head)
    writer.writerows([_safe(cell) for cell in row] for row in rows(asked))
    return response


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _safe(cell: Any) -> Any:
    """A spreadsheet would run such a text as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
