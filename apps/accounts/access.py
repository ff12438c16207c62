"""Who may do what, in one place. Anonymous: 302 or 401; not a member: 404; member without the right: 403."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest
from django.utils import timezone

from apps.accounts.models import Membership, Organization, Role


class Can(enum.Enum):
    """What a role may do; the value is the sentence shown in the documentation."""

    SEE_PROJECTS = "See projects and their stages that people work in"
    LABEL = "Label, review, comment"
    SEE_IMAGES = "See images of the tasks in projects"
    LEAVE = "Leave the organization"
    USE_OWN_KEYS = "Make and revoke one's own API keys"
    SEE_WAREHOUSE = "See datasets, labelsets, taxonomies, storage, imports"
    MANAGE_WAREHOUSE = "Import, upload, edit, export, delete in the data warehouse"
    MANAGE_PROJECTS = "Create, configure, archive and delete projects; assign tasks"
    RUN_LEARNING = "Send batches, trigger cycles, cancel, flush"
    SEE_INSIGHTS = "See insights of all members"
    MANAGE_MEMBERS = "Invite, change roles, remove members"
    SEE_AUDIT_TRAIL = "See the audit trail"
    DELETE_ORGANIZATION = "Transfer ownership, rename and delete the organization"


_EVERYONE = frozenset({Role.OWNER, Role.ADMIN, Role.LABELER})
_MANAGERS = frozenset({Role.OWNER, Role.ADMIN})

RIGHTS: dict[Can, frozenset[Role]] = {
    Can.SEE_PROJECTS: _EVERYONE,
    Can.LABEL: _EVERYONE,
    Can.SEE_IMAGES: _EVERYONE,
    Can.LEAVE: _EVERYONE,
    Can.USE_OWN_KEYS: _EVERYONE,
    Can.SEE_WAREHOUSE: _MANAGERS,
    Can.MANAGE_WAREHOUSE: _MANAGERS,
    Can.MANAGE_PROJECTS: _MANAGERS,
    Can.RUN_LEARNING: _MANAGERS,
    Can.SEE_INSIGHTS: _MANAGERS,
    Can.MANAGE_MEMBERS: _MANAGERS,
    Can.SEE_AUDIT_TRAIL: _MANAGERS,
    Can.DELETE_ORGANIZATION: frozenset({Role.OWNER}),
}


# The session's key for the organization that was visited last: the sidebar keeps it on personal pages.
PLACE = "organization"


def allows(role: str, can: Can) -> bool:
    return role in RIGHTS[can]


def membership_for(user: Any, slug: str, can: Can) -> Membership:
    """The user's membership in the organization, if its role allows `can`; else 404 or 403."""
    membership = Membership.objects.of(user).select_related("user").filter(organization__slug=slug).first()
    if membership is None:
        raise Http404("No such organization.")
    if not allows(membership.role, can):
        raise PermissionDenied(f"Your role in this organization does not allow this: {can.value.lower()}.")
    return membership


def enter(request: HttpRequest, slug: str, can: Can) -> Organization:
    """Authorize the request and make the membership known to the page around it."""
    membership = membership_for(request.user, slug, can)
    request.membership = membership  # type: ignore[attr-defined]
    _remember_place(request, slug)
    _note_seen(membership)
    return membership.organization


def _remember_place(request: HttpRequest, slug: str) -> None:
    """In the session of a person; a program with a key has none."""
    if SESSION_KEY in request.session and request.session.get(PLACE) != slug:
        request.session[PLACE] = slug


def _note_seen(membership: Membership) -> None:
    """At most one write a minute and member, whoever of several requests comes first."""
    now = timezone.now()
    stale = now - timedelta(minutes=1)
    if membership.last_seen_at is None or membership.last_seen_at < stale:
        unseen = Q(last_seen_at=None) | Q(last_seen_at__lt=stale)
        Membership.objects.filter(unseen, pk=membership.pk).update(last_seen_at=now)
