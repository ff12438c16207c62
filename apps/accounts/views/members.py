"""The members of an organization."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.access import Can, enter
from apps.common.http import HtmxRequest


@require_GET
def members(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    rows = organization.memberships.select_related("user").order_by("pk")
    return render(request, "accounts/members.html", {"rows": rows})
