"""Log lines as JSON, each with the request and the run it belongs to."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

request_id: ContextVar[str] = ContextVar("request_id", default="")
run_id: ContextVar[str] = ContextVar("run_id", default="")

log = logging.getLogger("winnow.request")

ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# What every record carries besides `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "server_time", "status_code"}

# Parts of a path that are secrets where they are texts: of invitations, resets of passwords, confirmed addresses.
SECRETS = ("token", "key")


@contextmanager
def run_context(run: object) -> Iterator[None]:
    """Every line inside carries the run's id."""
    token = run_id.set(str(run))
    try:
        yield
    finally:
        run_id.reset(token)


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, request, run, and whatever came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in (("request", request_id.get()), ("run", run_id.get())) if value}
        line |= {name: value for name, value in vars(record).items() if name not in STANDARD}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for people: LOG_FORMAT=text."""

    def format(self, record: logging.LogRecord) -> str:
        marks = "".join(
            f" [{name} {value}]" for name, value in (("req", request_id.get()), ("run", run_id.get())) if value
        )
        return f"{super().format(record)}{marks}"


class RequestLogMiddleware:
    """Gives every request an id (a sane X-Request-ID is kept), answers with it, and logs the request once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex)
        started = time.monotonic()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.get()
            self._log(request, response, time.monotonic() - started)
            return response
        finally:
            request_id.reset(token)

    def _log(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        level = logging.DEBUG if request.path in {"/healthz", "/readyz"} else logging.INFO
        if not log.isEnabledFor(level):
            return
        user = getattr(request, "user", None)
        path = _shown(request)
        facts = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "ms": round(seconds * 1000),
            "user": user.pk if user is not None and user.is_authenticated else None,
        }
        log.log(level, "%s %s %s", request.method, path, response.status_code, extra=facts)


def _shown(request: HttpRequest) -> str:
    """The path, without what lets in whoever has the link: an invitation's token, the key that resets a password."""
    path, match = request.path, request.resolver_match
    for name, value in match.kwargs.items() if match else ():
        if name in SECRETS and isinstance(value, str):
            path = path.replace(value, "***")
    return path
