"""One error shape for every answer that is not a success."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as FormError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from pydantic import ConfigDict

from apps.common.http import Conflict
from apps.projects.services import PipelineErrors
from apps.taxonomies.labels import LabelErrors
from apps.taxonomies.trees import TreeErrors

logger = logging.getLogger(__name__)

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    422: "invalid",
    429: "too_many_requests",
    502: "storage_failed",
    503: "not_ready",
}


class Problem(Schema):
    """One thing that was wrong; `position` counts the items of a list from 0."""

    position: int | None = None
    field: str = ""
    message: str


class Error(Schema):
    """What every answer that is not a success looks like."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "invalid",
                    "message": "The labels were refused; nothing was saved.",
                    "errors": [{"position": 2, "field": "labels", "message": "bbox lies outside the image."}],
                }
            ]
        }
    )

    code: str
    message: str
    errors: list[Problem] = []


class Refused(Exception):
    """A request that is refused with a status and a reason."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


REFUSALS = dict.fromkeys((400, 401, 403, 404, 405, 409, 413, 415, 422, 429), Error)


def answer(status: int, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> JsonResponse:
    """An answer in the one shape."""
    body = {"code": CODES.get(status, "error"), "message": message, "errors": [_complete(each) for each in errors]}
    return JsonResponse(body, status=status)


def _complete(error: Mapping[str, Any]) -> dict[str, Any]:
    return {"position": None, "field": "", **error}


def install(api: NinjaAPI) -> None:
    """Map every exception a view may raise to the one shape."""

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return answer(404, str(error) or "There is no such object.")

    @api.exception_handler(PermissionDenied)
    def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return answer(403, str(error) or "Your role does not allow this.")

    @api.exception_handler(AuthenticationError)
    def unauthorized(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        return answer(401, "Send an API key as 'Authorization: Bearer KEY'; this one is missing or not valid.")

    @api.exception_handler(Conflict)
    def conflict(request: HttpRequest, error: Conflict) -> HttpResponse:
        return answer(409, error.message, [{"field": name, "message": str(now)} for name, now in error.state.items()])

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return answer(error.status, error.message)

    @api.exception_handler(TreeErrors)
    def tree(request: HttpRequest, error: TreeErrors) -> HttpResponse:
        each = [{"field": "categories", "message": message} for message in error.errors]
        return answer(422, "The taxonomy was refused; nothing was saved.", each)

    @api.exception_handler(PipelineErrors)
    def pipeline(request: HttpRequest, error: PipelineErrors) -> HttpResponse:
        each = [{"field": problem.stage, "message": problem.message} for problem in error.problems]
        return answer(422, "The pipeline is not valid; nothing was saved.", each)

    @api.exception_handler(LabelErrors)
    def labels(request: HttpRequest, error: LabelErrors) -> HttpResponse:
        each = [{"position": one.position, "field": "labels", "message": one.message} for one in error.errors]
        return answer(422, error.message or "The labels were refused; nothing was saved.", each)

    @api.exception_handler(FormError)
    def form(request: HttpRequest, error: FormError) -> HttpResponse:
        fields = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        each = [{"field": field, "message": text} for field, texts in fields.items() for text in texts]
        return answer(422, "The request was refused; nothing was saved.", each)

    @api.exception_handler(ValidationError)
    def shape(request: HttpRequest, error: ValidationError) -> HttpResponse:
        each = [_problem(one) for one in error.errors]
        return answer(422, "The request does not have the documented form; nothing was saved.", each)

    @api.exception_handler(RequestDataTooBig)
    def too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        return answer(413, "The body is larger than the limit; send it in parts.")

    @api.exception_handler(MultiPartParserError)
    def broken_form(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
        return answer(400, f"The form cannot be read: {error}.")

    @api.exception_handler(Throttled)
    def throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
        response = answer(429, "Too many requests with this key; wait and try again.")
        response["Retry-After"] = str(int(error.wait or 1) + 1)
        return response

    @api.exception_handler(HttpError)
    def other(request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(error.status_code, error.message)


def _problem(error: Mapping[str, Any]) -> dict[str, Any]:
    """Pydantic's location (source, parameter, keys and indexes) as a position and a field."""
    places = [place for place in error.get("loc", ()) if place not in {"body", "query", "path", "header", "payload"}]
    position = next((place for place in places if isinstance(place, int)), None)
    return {"position": position, "field": ".".join(map(str, places)), "message": str(error.get("msg", "is not valid"))}
