"""Requests that are too large: refused by their announced length, and answered as 413 when noticed while reading."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.views.defaults import bad_request

STREAMED = {"multipart/form-data", "application/octet-stream", "application/x-ndjson"}
TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def too_large(request: HttpRequest, limit: int) -> HttpResponse:
    """413, as a page or in the shape of the API's errors."""
    message = f"The request is larger than the limit of {filesizeformat(limit)}; nothing was saved. Send it in parts."
    if request.path.startswith("/api/"):
        return JsonResponse({"code": "too_large", "message": message, "errors": []}, status=413)
    # Without the request: this also runs before there is a session or a user.
    return HttpResponse(render_to_string("413.html", {"message": message, "theme": "auto"}), status=413)


def of_unknown_length(request: HttpRequest) -> HttpResponse:
    """411, as a line of text or in the shape of the API's errors."""
    message = "Send a Content-Length: a body in chunks of unknown length is not read. Nothing was saved."
    if request.path.startswith("/api/"):
        return JsonResponse({"code": "length_required", "message": message, "errors": []}, status=411)
    return HttpResponse(message, content_type="text/plain", status=411)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django counts a body over the limit among the suspicious requests; to the sender it is a 413."""
    if isinstance(exception, TOO_LARGE):
        return too_large(request, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if isinstance(exception, DisallowedHost):
        message = "Winnow does not serve this address: name it in SITE_URL or ALLOWED_HOSTS."
        return HttpResponse(message, content_type="text/plain", status=400)
    return bad_request(request, exception)


class BodyLimitMiddleware:
    """Refuses by Content-Length before a byte of the body is read; uploads of files have a limit of their own.

    A body without one would pass for an empty one: WSGI reads as much as is announced.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            return of_unknown_length(request)
        is_upload = request.content_type in STREAMED
        limit = settings.UPLOAD_LIMIT_BYTES if is_upload else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > limit:
            return too_large(request, limit)
        return self.get_response(request)
