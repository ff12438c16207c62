"""The insights of a project, and the same as CSV."""

from __future__ import annotations

import csv

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.access import Can
from apps.common.http import HtmxRequest, is_fragment
from apps.labeling import insights
from apps.labeling.forms import InsightFilter
from apps.projects.pages import frame, project_of


@require_GET
def page(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    project = project_of(request, org, pk, Can.SEE_INSIGHTS)
    form = InsightFilter({"days": "30"} | request.GET.dict(), project=project)
    wanted = form.cleaned_data if form.is_valid() else {}
    stage, since = wanted.get("stage"), insights.since_days(wanted.get("days") or 30, timezone.now())
    context = frame(request, project, "insights") | {
        "form": form,
        "totals": insights.totals(project, stage, since),
        "members": insights.members(project, stage, since),
        "days": insights.days(project, stage, since),
        "cycles": insights.cycles(project),
        "classes": insights.classes(project, since),
    }
    template = "labeling/_insights.html" if is_fragment(request) else "labeling/insights.html"
    return render(request, template, context)


@require_GET
def as_csv(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    project = project_of(request, org, pk, Can.SEE_INSIGHTS)
    form = InsightFilter({"days": "30"} | request.GET.dict(), project=project)
    wanted = form.cleaned_data if form.is_valid() else {}
    since = insights.since_days(wanted.get("days") or 30, timezone.now())
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="insights-{project.pk}.csv"'
    writer = csv.writer(response)
    writer.writerow(["member", "tasks", "boxes", "reviews", "active_seconds", "seconds_per_task", "seconds_per_box"])
    for row in insights.members(project, wanted.get("stage"), since):
        a_box = "" if row.seconds_a_box is None else f"{row.seconds_a_box:.2f}"
        name = f"'{row.name}" if row.name[:1] in "=+-@\t\r" else row.name  # a spreadsheet would run it as a formula
        writer.writerow(
            [name, row.tasks, row.boxes, row.reviews, f"{row.seconds:.1f}", f"{row.seconds_a_task:.2f}", a_box]
        )
    return response
