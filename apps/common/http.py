"""What views share: the typed request, the conflict that becomes a 409, and lists a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from apps.common.paging import KeyPage, page_by_key

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from apps.accounts.models import Membership

__all__ = ["Conflict", "ConflictMiddleware", "HtmxRequest", "KeyPage", "is_fragment", "page_by_key"]


class HtmxRequest(HttpRequest):
    """A request that has passed the htmx and authentication middleware."""

    htmx: HtmxDetails
    user: Any
    membership: Membership  # after accounts.access.enter


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


class ConflictMiddleware:
    """Answers a Conflict that a view has let through: as JSON, as a notice in the page that asked, or as a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Conflict):
            return None
        if is_fragment(request):
            return _notice(request, exception)
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            answer = {"code": "conflict", "message": exception.message, "errors": [], "state": exception.state}
            return JsonResponse(answer, status=409)
        return render(request, "409.html", {"message": exception.message}, status=409)


def _notice(request: HttpRequest, conflict: Conflict) -> HttpResponse:
    """Put where the page shows what went wrong, so that the part the request was about stays as it is."""
    response = render(request, "common/_conflict.html", {"message": conflict.message}, status=409)
    response["HX-Retarget"] = "#alerts"
    response["HX-Reswap"] = "innerHTML"
    return response
