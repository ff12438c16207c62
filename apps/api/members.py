"""Members and invitations: list, invite, change roles, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Schema, Status

from apps.accounts import invitations, services
from apps.accounts.access import Can
from apps.accounts.forms import InviteForm, RoleForm
from apps.accounts.models import Invitation, Membership
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS
from apps.api.inputs import In, cleaned, example
from apps.api.paging import CursorQuery, Page, page

members = Router()
invited = Router()


class MemberOut(Schema):
    id: int
    email: str
    name: str
    role: str
    last_seen_at: datetime | None


class RoleIn(In):
    """ADMIN or LABELER; ownership is transferred by the owner in the settings."""

    model_config = example(role="ADMIN")

    role: str


class InvitationIn(In):
    model_config = example(email="ada@example.com", role="LABELER")

    email: str
    role: str = "LABELER"


class InvitationOut(Schema):
    id: int
    email: str
    role: str
    sent_at: datetime
    expires_at: datetime


@members.get("", response={200: Page[MemberOut], **REFUSALS})
def list_members(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    organization = enter(request, slug, Can.MANAGE_MEMBERS)
    return page(organization.memberships.select_related("user"), cursor, _member)


@members.patch("/{member_id}", response={200: MemberOut, **REFUSALS})
def change_role(request: HttpRequest, slug: Path[str], member_id: int, payload: RoleIn) -> dict[str, Any]:
    membership = _membership(request, slug, member_id)
    role = cleaned(RoleForm(payload.dict()))["role"]
    return _member(services.change_role(membership=membership, role=role, actor=caller(request)))


@members.delete("/{member_id}", response={204: None, **REFUSALS})
def remove_member(request: HttpRequest, slug: Path[str], member_id: int) -> Status[None]:
    """End a membership. Work and names in the history stay; what was assigned goes back to everybody."""
    services.remove_member(membership=_membership(request, slug, member_id), actor=caller(request))
    return Status(204, None)


@invited.get("", response={200: Page[InvitationOut], **REFUSALS})
def list_invitations(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    """Invitations that nobody has taken yet."""
    return page(enter(request, slug, Can.MANAGE_MEMBERS).invitations.pending(), cursor)


@invited.post("", response={201: InvitationOut, **REFUSALS})
def invite(request: HttpRequest, slug: Path[str], payload: InvitationIn) -> Status[Invitation]:
    """Mail somebody a link that lets them join."""
    organization = enter(request, slug, Can.MANAGE_MEMBERS)
    wanted = cleaned(InviteForm(payload.dict()))
    return Status(201, invitations.invite(organization=organization, actor=caller(request), **wanted))


@invited.post("/{invitation_id}/resend", response={200: InvitationOut, **REFUSALS})
def resend_invitation(request: HttpRequest, slug: Path[str], invitation_id: int) -> Invitation:
    """Mail a new link; the old one no longer works."""
    return invitations.resend(invitation=_invitation(request, slug, invitation_id), actor=caller(request))


@invited.delete("/{invitation_id}", response={204: None, **REFUSALS})
def revoke_invitation(request: HttpRequest, slug: Path[str], invitation_id: int) -> Status[None]:
    invitations.revoke(invitation=_invitation(request, slug, invitation_id), actor=caller(request))
    return Status(204, None)


def _membership(request: HttpRequest, slug: str, member_id: int) -> Membership:
    return get_object_or_404(enter(request, slug, Can.MANAGE_MEMBERS).memberships, pk=member_id)


def _invitation(request: HttpRequest, slug: str, invitation_id: int) -> Invitation:
    return get_object_or_404(enter(request, slug, Can.MANAGE_MEMBERS).invitations, pk=invitation_id)


def _member(membership: Membership) -> dict[str, Any]:
    user = membership.user
    return {
        "id": membership.pk,
        "email": user.email,
        "name": user.name,
        "role": membership.role,
        "last_seen_at": membership.last_seen_at,
    }
