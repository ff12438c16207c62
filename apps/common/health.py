"""/healthz: this process answers. /readyz: everything it needs answers, too."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import rq
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from apps.common import queues

log = logging.getLogger(__name__)

FAILURES = (DatabaseError, RedisError, OSError, BotoCoreError, ClientError)


class NotReady(OSError):
    """A part that answers, but not as it should."""


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part answers, else 503; the causes are in the log, for this page is open to anybody."""
    checks = {"database": _database, "redis": _redis, "storage": _storage, "worker": _worker}
    answers = {name: _answers(name, check) for name, check in checks.items()}
    ready = all(answers.values())
    parts = {name: "ok" if answer else "failing" for name, answer in answers.items()}
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)


def _answers(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except FAILURES as error:
        log.warning("Not ready: %s: %s", name, error)
        return False
    return True


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    with queues.connection() as redis:
        redis.ping()


def _storage() -> None:
    """Write, read and remove a few bytes where uploads go."""
    name = default_storage.save(f"health/{uuid.uuid4().hex}", ContentFile(b"ready"))
    try:
        with default_storage.open(name) as file:
            if file.read() != b"ready":
                raise NotReady("the storage did not return what was written")
    finally:
        default_storage.delete(name)


def _worker() -> None:
    """At least one worker of our queues has been heard lately; Redis alone would also take jobs with nobody there."""
    names = set(settings.QUEUES.values())
    with queues.connection() as redis:
        beats = [
            each.last_heartbeat
            for each in rq.Worker.all(connection=redis)
            if names & set(each.queue_names()) and each.last_heartbeat
        ]
    if not beats:
        raise NotReady("no worker listens to our queues")
    age = (datetime.now(UTC) - max(beats)).total_seconds()
    if age > 2 * settings.WORKER_TTL_SECONDS:
        raise NotReady(f"the last worker was heard {age:.0f} s ago")
