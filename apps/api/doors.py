"""What every request passes before its operation: readable text, the documented media type; and every answer after."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.api.errors import answer
from apps.common.texts import is_storable

Run = Callable[..., HttpResponseBase]
JSON, FORM = "application/json", "multipart/form-data"
HAS_BODY = {"POST", "PUT", "PATCH"}


def guarded(run: Run) -> Run:
    """Wrap an operation: 404 and 422 for text that no row can have, 415 for a body that it does not read."""
    operation: Any = getattr(run, "__self__", None)
    reads = media_types(operation)

    @wraps(run)
    def passed(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        if not is_storable([str(value) for value in parameters.values()]):
            return answer(404, "There is no such object.")
        if not is_storable(dict(request.GET.lists())):
            return answer(422, "The address has characters that cannot be read; nothing was done.")
        if reads and _has_body(request) and request.content_type not in reads:
            return answer(415, f"Send the body as {' or '.join(reads)}, not as {request.content_type or 'nothing'}.")
        return run(request, **parameters)

    return passed


def media_types(operation: Any) -> list[str]:
    """What the operation's body may be."""
    documented = (operation.openapi_extra or {}).get("requestBody", {}).get("content", {})
    if documented:
        return list(documented)
    sources = {model.__ninja_param_source__ for model in operation.models}
    return [FORM] if sources & {"form", "file"} else [JSON] if "body" in sources else []


def _has_body(request: HttpRequest) -> bool:
    if request.method not in HAS_BODY:
        return False
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in request.META


def in_shape(view: Run) -> Run:
    """Wrap a path: a method that it does not know is told in the one shape too."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        refused = answer(405, f"{request.method} is not possible here; {allowed} is.")
        refused["Allow"] = allowed
        return refused

    return told


def unknown(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Everything under the API's root that is no operation."""
    return answer(404, f"The API has no /{path}. Its operations are listed at /api/v1/docs.")
