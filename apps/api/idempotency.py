"""A POST with an `Idempotency-Key` acts once; sent again it gets the first answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.accounts.services import check_api_key
from apps.api.errors import answer
from apps.api.models import IdempotentRequest

KEPT = timedelta(days=1)
# A process that died while answering leaves its row without an answer: after this long the key may be used again.
ABANDONED = timedelta(minutes=5)
LONGEST_KEY = 100

STREAM = "application/x-ndjson"

Run = Callable[..., HttpResponseBase]


def idempotent(run: Run) -> Run:
    """Wrap an operation: replay the stored answer of a request that was already made with the same key."""

    @wraps(run)
    def once(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > LONGEST_KEY:
            return answer(422, f"An Idempotency-Key has at most {LONGEST_KEY} characters; nothing was done.")
        # A stream is never held whole; what it brings replaces itself when it is sent again.
        is_asked = key and request.method == "POST" and request.content_type != STREAM
        caller = check_api_key(secret_of(request)) if is_asked else None
        if caller is None:
            return run(request, **parameters)
        try:
            digest = _digest(request)
        except MultiPartParserError as error:
            return answer(400, f"The form cannot be read: {error}.")
        _forget_abandoned(caller.pk, key)
        row, is_new = IdempotentRequest.objects.get_or_create(api_key=caller, key=key, defaults={"digest": digest})
        if not is_new:
            return _replay(row, digest)
        return _first(row, run, request, parameters)

    return once


def _digest(request: HttpRequest) -> str:
    """Of method, path and body; of a form its fields and files, which are on the disk where they are large."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if request.content_type != "multipart/form-data":
        digest.update(request.body)
        return digest.hexdigest()
    digest.update(repr(sorted(request.POST.lists())).encode("utf-8", "surrogatepass"))
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            digest.update(repr((name, file.name, file.size)).encode("utf-8", "surrogatepass"))
            for chunk in file.chunks():
                digest.update(chunk)
            file.seek(0)
    return digest.hexdigest()


def secret_of(request: HttpRequest) -> str:
    """The API key as it was sent, in either header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.headers.get("ApiKey", "")


def forget_old() -> int:
    """Drop answers older than a day."""
    deleted, _ = IdempotentRequest.objects.filter(at__lt=timezone.now() - KEPT).delete()
    return deleted


def _forget_abandoned(api_key_id: int, key: str) -> None:
    IdempotentRequest.objects.filter(
        api_key_id=api_key_id, key=key, status=None, at__lt=timezone.now() - ABANDONED
    ).delete()


def _first(row: IdempotentRequest, run: Run, request: HttpRequest, parameters: dict[str, Any]) -> HttpResponseBase:
    status = 500
    try:
        response = run(request, **parameters)
        status = response.status_code
    finally:
        # Only what acted is worth remembering. A refusal changed nothing, and may be of a body that broke off.
        if status >= 400:
            row.delete()
    if isinstance(response, HttpResponse) and row.pk:
        row.status, row.body, row.content_type = status, response.content, response["Content-Type"]
        row.save(update_fields=["status", "body", "content_type"])
    return response


def _replay(row: IdempotentRequest, digest: str) -> HttpResponseBase:
    if row.status is None:
        busy = answer(409, "The request with this Idempotency-Key is still being answered.")
        busy["Retry-After"] = "1"
        return busy
    if row.digest != digest:
        return answer(409, "This Idempotency-Key was used for another request.")
    return HttpResponse(bytes(row.body), status=row.status, content_type=row.content_type)
