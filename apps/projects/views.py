"""Pages of the projects app."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.access import Can, enter


@require_GET
def projects(request: HttpRequest, org: str) -> HttpResponse:
    enter(request, org, Can.SEE_PROJECTS)
    return render(request, "projects/projects.html")
