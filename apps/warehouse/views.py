"""Pages of the warehouse app."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.access import Can, enter


@require_GET
def datasets(request: HttpRequest, org: str) -> HttpResponse:
    enter(request, org, Can.SEE_WAREHOUSE)
    return render(request, "warehouse/datasets.html")
