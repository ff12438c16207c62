"""Where a person lands: home, the list of organizations, a new one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts import invitations, services
from apps.accounts.access import Can, enter
from apps.accounts.forms import OrganizationForm
from apps.accounts.models import Membership
from apps.common.http import Conflict, HtmxRequest


@require_GET
def home(request: HtmxRequest) -> HttpResponse:
    """The one organization's projects, else the choice of organizations."""
    mine = list(Membership.objects.of(request.user)[:2])
    if len(mine) == 1:
        return redirect("projects:list", mine[0].organization.slug)
    return redirect("accounts:organizations")


@require_GET
def organization(request: HttpRequest, org: str) -> HttpResponse:
    return redirect("projects:list", enter(request, org, Can.SEE_PROJECTS).slug)


@require_http_methods(["GET", "POST"])
def organizations(request: HtmxRequest) -> HttpResponse:
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            created = services.create_organization(owner=request.user, name=form.cleaned_data["name"])
        except Conflict as conflict:
            form.add_error(None, conflict.message)
        else:
            messages.success(request, f"{created.name} is ready.")
            return redirect("projects:list", created.slug)
    context = {
        "form": form,
        "mine": Membership.objects.of(request.user).with_sizes(),
        "may_create": services.may_create_organization(request.user),
        "waiting": invitations.waiting_for(request.user),
        "is_verified": invitations.has_verified_address(request.user),
        "deletions": services.deletions_of(request.user),
    }
    return render(request, "accounts/organizations.html", context, status=422 if form.errors else 200)
