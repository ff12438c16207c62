"""Organizations and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema

from apps.accounts.access import Can
from apps.accounts.models import Membership
from apps.api.auth import enter
from apps.api.errors import REFUSALS
from apps.api.paging import CursorQuery, Page, page

router = Router()


class OrganizationOut(Schema):
    slug: str
    name: str
    role: str
    created_at: datetime


class MemberOut(Schema):
    email: str
    name: str
    role: str
    last_seen_at: datetime | None


@router.get("", response={200: Page[OrganizationOut], **REFUSALS})
def list_organizations(request: HttpRequest) -> dict[str, Any]:
    """The organization of the key: a key is a user's within one organization."""
    key: Any = request.auth  # type: ignore[attr-defined]
    own = Membership.objects.select_related("organization").filter(user=key.user, organization=key.organization)
    return {"items": [_organization(membership) for membership in own], "next": None}


@router.get("/{slug}", response={200: OrganizationOut, **REFUSALS})
def get_organization(request: HttpRequest, slug: Path[str]) -> dict[str, Any]:
    enter(request, slug, Can.SEE_PROJECTS)
    return _organization(request.membership)  # type: ignore[attr-defined]


@router.get("/{slug}/members", response={200: Page[MemberOut], **REFUSALS})
def list_members(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    organization = enter(request, slug, Can.MANAGE_MEMBERS)
    return page(organization.memberships.select_related("user"), cursor, _member)


def _organization(membership: Membership) -> dict[str, Any]:
    organization = membership.organization
    return {
        "slug": organization.slug,
        "name": organization.name,
        "role": membership.role,
        "created_at": organization.created_at,
    }


def _member(membership: Membership) -> dict[str, Any]:
    user = membership.user
    return {"email": user.email, "name": user.name, "role": membership.role, "last_seen_at": membership.last_seen_at}
