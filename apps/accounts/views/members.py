"""The members of an organization: roles, removal, ownership."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import services
from apps.accounts.access import RIGHTS, Can, enter
from apps.accounts.forms import InviteForm, RoleForm
from apps.accounts.models import Membership, Organization, Role
from apps.common.http import Conflict, HtmxRequest, page_by_key


@require_GET
def members(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    return render(request, "accounts/members.html", page_of(request, organization))


def page_of(request: HtmxRequest, organization: Organization, form: InviteForm | None = None) -> dict[str, Any]:
    """What the members page shows: a page of members by key, the pending invitations, the form to invite."""
    rows = organization.memberships.select_related("user")
    page = page_by_key(rows, ("pk",), after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    pending = page_by_key(
        organization.invitations.pending().select_related("invited_by"),
        ("-pk",),
        after=request.GET.get("pending-after", ""),
        before=request.GET.get("pending-before", ""),
    )
    return {
        "rows": page.rows,
        "pager": page.links(request),
        "pending": pending.rows,
        "pending_pager": pending.links(request, "pending-"),
        "form": form or InviteForm(),
    }


@require_POST
def change_role(request: HtmxRequest, org: str, member: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    membership = get_object_or_404(organization.memberships, pk=member)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Conflict("A member is an admin or a labeler. Ownership is transferred by the owner.")
    changed = services.change_role(membership=membership, role=form.cleaned_data["role"], actor=request.user)
    messages.success(request, f"{changed.user} is now {changed.get_role_display().lower()}.")
    return redirect("accounts:members", org)


@require_POST
def remove(request: HtmxRequest, org: str, member: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    membership = get_object_or_404(organization.memberships, pk=member)
    services.remove_member(membership=membership, actor=request.user)
    messages.success(request, f"{membership.user} is not a member any more. Their work and its history stay.")
    return redirect("accounts:members", org)


@require_POST
def make_owner(request: HtmxRequest, org: str, member: int) -> HttpResponse:
    organization = enter(request, org, Can.DELETE_ORGANIZATION)
    membership = get_object_or_404(organization.memberships.select_related("user"), pk=member)
    services.transfer_ownership(organization=organization, to=membership, actor=request.user)
    messages.success(request, f"{membership.user} owns {organization.name} now; you are an admin.")
    return redirect("accounts:members", org)


@require_POST
def leave(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.LEAVE)
    membership = Membership.objects.get(organization=organization, user=request.user)
    services.remove_member(membership=membership, actor=request.user)
    messages.success(request, f"You have left {organization.name}.")
    return redirect("accounts:organizations")


@require_GET
def rights(request: HtmxRequest, org: str) -> HttpResponse:
    """Who may what, as `access.py` decides it."""
    enter(request, org, Can.SEE_PROJECTS)
    table = [(can.value, [role in RIGHTS[can] for role in Role]) for can in Can]
    return render(request, "accounts/rights.html", {"roles": Role.labels, "table": table})
