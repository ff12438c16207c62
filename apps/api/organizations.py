"""The organization of the key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Schema

from apps.accounts.access import Can
from apps.accounts.models import Membership
from apps.api.auth import enter
from apps.api.errors import REFUSALS
from apps.api.paging import Page

router = Router()


class OrganizationOut(Schema):
    slug: str
    name: str
    role: str
    created_at: datetime


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


def _organization(membership: Membership) -> dict[str, Any]:
    organization = membership.organization
    return {
        "slug": organization.slug,
        "name": organization.name,
        "role": membership.role,
        "created_at": organization.created_at,
    }
