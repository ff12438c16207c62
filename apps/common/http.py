"""What views share: the typed request and the conflict that becomes a 409."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request that has passed the htmx and authentication middleware."""

    htmx: HtmxDetails
    user: Any


class Conflict(Exception):
    """A move that is not allowed in the state the row is in; HTTP 409, nothing has changed."""

    def __init__(self, message: str, **state: Any) -> None:
        super().__init__(message)
        self.message = message
        self.state = state


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a fragment rather than the page around it."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    return bool(htmx) and htmx is not None and not htmx.boosted
