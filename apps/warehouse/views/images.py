"""The guarded doors to image bytes: resolved through the member's organization, then redirected or streamed."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.templatetags.static import static
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET

from apps.accounts.access import Can, allows, enter
from apps.common.http import HtmxRequest
from apps.warehouse import preparing, storages
from apps.warehouse.models import Datapoint
from apps.warehouse.pictures import MEDIA_TYPES, may_be_shown

SECONDS_CACHED = 3600
SECONDS_PENDING = 10


@require_GET
def image(request: HtmxRequest, org: str, uid: uuid.UUID) -> HttpResponseBase:
    """The image as a browser can show it."""
    datapoint = _visible(request, org, uid)
    if datapoint.width is None and not datapoint.error and not may_be_shown(datapoint.path):
        preparing.prepare_now(datapoint)
        if datapoint.width is None and not datapoint.error:
            return _not_yet()
    try:
        url = storages.url_for(datapoint)
    except storages.StorageError as error:
        return HttpResponse(str(error), status=502, content_type="text/plain")
    if url:
        return _redirect(url)
    return _stream(request, datapoint.rendition or datapoint.path)


@require_GET
def thumbnail(request: HtmxRequest, org: str, uid: uuid.UUID) -> HttpResponseBase:
    datapoint = _visible(request, org, uid)
    if not datapoint.thumbnail and not datapoint.error:
        preparing.prepare_now(datapoint)
    if datapoint.error:
        raise Http404(datapoint.error)
    if not datapoint.thumbnail:
        return _redirect(static("img/pending.svg"), seconds=SECONDS_PENDING)
    url = storages.own_url(datapoint.thumbnail)
    return _redirect(url) if url else _stream(request, datapoint.thumbnail)


def _visible(request: HtmxRequest, org: str, uid: uuid.UUID) -> Datapoint:
    """The datapoint, if it is the organization's; to a labeler, if it is at work in one of its projects."""
    organization = enter(request, org, Can.SEE_IMAGES)
    found = Datapoint.objects.filter(dataset__organization=organization).select_related("storage", "dataset")
    datapoint = get_object_or_404(found, uid=uid)
    role = request.membership.role
    if not allows(role, Can.SEE_WAREHOUSE) and not datapoint.tasks.exists():
        raise Http404("No such image in a project.")
    return datapoint


def _not_yet() -> HttpResponse:
    """Nothing in its place: people would label that."""
    text = "This image is large and is being prepared; it shows in a few minutes."
    return HttpResponse(text, status=503, content_type="text/plain", headers={"Retry-After": str(SECONDS_PENDING)})


def _redirect(url: str, seconds: int = SECONDS_CACHED // 6) -> HttpResponse:
    """Cached for less than the URL lives, so that a page going back and forth signs once."""
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = f"private, max-age={seconds}"
    return response


def _stream(request: HtmxRequest, path: str) -> HttpResponseBase:
    """From the platform's own folder. Its bytes never change under a path, so the path is the ETag."""
    etag = f'"{path.replace("/", "-")}"'
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response is None:
        suffix = PurePosixPath(path).suffix.lstrip(".")
        try:
            file = storages.open_own(path)
        except storages.StorageError as error:
            raise Http404(str(error)) from error
        response = FileResponse(file, content_type=MEDIA_TYPES.get(suffix, "application/octet-stream"))
        response["ETag"] = etag
    response["Cache-Control"] = f"private, max-age={SECONDS_CACHED}"
    response["X-Content-Type-Options"] = "nosniff"
    return response
