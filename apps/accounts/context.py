"""What the shell around every page shows: theme, organization, the user's organizations, rights."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.access import PLACE, Can, allows
from apps.accounts.models import Membership, Theme

_SECTIONS = {"warehouse": "warehouse", "taxonomies": "warehouse", "accounts": "members"}


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    membership: Membership | None = getattr(request, "membership", None)
    memberships: Any = SimpleLazyObject(lambda: list(Membership.objects.of(user)) if user else [])
    theme = theme_of(request)
    match = request.resolver_match
    return {
        "theme": theme,
        "next_theme": Theme.values[(Theme.values.index(theme) + 1) % len(Theme.values)],
        "sidebar_collapsed": request.COOKIES.get("sidebar") == "collapsed",
        "membership": membership,
        "organization": membership.organization if membership else None,
        "can": _rights(membership),
        "memberships": memberships,
        "place": SimpleLazyObject(lambda: membership or _visited_last(request, memberships)),
        "place_can": SimpleLazyObject(lambda: _rights(membership or _visited_last(request, memberships))),
        "section": _SECTIONS.get(match.app_name if match else "", "projects"),
    }


def _rights(membership: Membership | None) -> dict[str, bool]:
    return {can.name: allows(membership.role, can) for can in Can} if membership else {}


def _visited_last(request: HttpRequest, memberships: list[Membership]) -> Membership | None:
    """Where the sidebar leads on pages that are of no organization."""
    slug = request.session.get(PLACE)
    return next((found for found in memberships if found.organization.slug == slug), next(iter(memberships), None))


def theme_of(request: HttpRequest) -> str:
    """The user's theme; before log-in the one a cookie remembers."""
    user = getattr(request, "user", None)
    chosen = user.theme if user and user.is_authenticated else request.COOKIES.get("theme", "")
    return chosen if chosen in Theme.values else Theme.AUTO.value
