"""The pages of long jobs."""

from __future__ import annotations

import json
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.access import Can, allows, enter
from apps.common import runs
from apps.common.http import HtmxRequest, is_fragment, page_by_key
from apps.common.kinds import KINDS
from apps.common.models import Run

RUNS_A_PAGE = 50


@require_GET
def index(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_PROJECTS)
    rows = Run.objects.filter(organization=organization).select_related("requested_by")
    cursors = {name: request.GET.get(name, "") for name in ("after", "before")}
    page = page_by_key(rows, ("-id",), size=RUNS_A_PAGE, **cursors)
    return render(request, "common/runs.html", {"page": page, "links": page.links(request)})


@require_GET
@never_cache
def run(request: HtmxRequest, org: str, uid: UUID) -> HttpResponse:
    """The page; for htmx the fragment; for a fragment that asks after itself only what has changed."""
    found = get_run(request, org, uid)
    if not is_fragment(request):
        return render(request, "common/run.html", {"run": found})
    if request.GET.get("part") != "progress":
        return _fragment(request, found)
    if found.is_active:
        return render(request, "common/_run_progress.html", {"run": found})
    response = _fragment(request, found)
    response["HX-Retarget"] = f"#run-{found.uid}"
    return _say_ended(response, found)


@require_POST
def cancel(request: HtmxRequest, org: str, uid: UUID) -> HttpResponse:
    ended = runs.cancel(get_run(request, org, uid), request.user)
    if not is_fragment(request):
        return redirect(ended.get_absolute_url())
    return _say_ended(_fragment(request, ended), ended)


@require_POST
def retry(request: HtmxRequest, org: str, uid: UUID) -> HttpResponse:
    queued = runs.retry(get_run(request, org, uid), request.user)
    return _fragment(request, queued) if is_fragment(request) else redirect(queued.get_absolute_url())


def get_run(request: HtmxRequest, org: str, uid: UUID) -> Run:
    """The organization's run, if the member has the right that its kind asks for."""
    organization = enter(request, org, Can.SEE_PROJECTS)
    found = get_object_or_404(
        Run.objects.select_related("organization", "requested_by"), organization=organization, uid=uid
    )
    kind = KINDS.get(found.kind)
    can = kind.can if kind and isinstance(kind.can, Can) else Can.MANAGE_PROJECTS
    if not allows(request.membership.role, can):
        raise PermissionDenied(f"Your role in this organization does not allow this: {can.value.lower()}.")
    return found


def _fragment(request: HtmxRequest, found: Run) -> HttpResponse:
    return render(request, "common/_run.html", {"run": found})


def _say_ended(response: HttpResponse, ended: Run) -> HttpResponse:
    detail = {"uid": str(ended.uid), "kind": ended.kind, "status": ended.status}
    response["HX-Trigger"] = json.dumps({"run:ended": detail})
    return response
