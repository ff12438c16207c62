"""Labelsets on their way out: streamed at once, or as a file of a run that is downloaded in pieces."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS, Error, Refused
from apps.api.inputs import In, binary, cleaned, example
from apps.api.labelsets import labelset_of
from apps.api.runs import RunOut
from apps.common.models import Run
from apps.taxonomies import services as taxonomies
from apps.warehouse import export_files, exports
from apps.warehouse.forms import ExportForm
from apps.warehouse.models import Labelset
from apps.warehouse.storages import StorageError

router = Router()
files = Router()

MEDIA = sorted({each.media_type.partition(";")[0] for each in exports.FORMATS.values()} | {exports.ZIP})
_RANGE = re.compile(r"bytes=(\d{1,15})-$")


class Wanted(Schema):
    """What of a labelset goes out, in which form, and what comes with it."""

    format: str = Field("coco", description=f"One of {', '.join(exports.FORMATS)}.")
    q: str = Field("", max_length=200, description="Part of the image's name.")
    category: int | None = Field(None, description="Class id: only images with a box of it.")
    source: str = Field("", description="human, model or import.")
    low: float | None = Field(None, ge=0, le=1, description="Least confidence.")
    high: float | None = Field(None, ge=0, le=1, description="Greatest confidence.")
    only_matching_boxes: bool = Field(False, description="Leave out boxes that do not match, not only images.")
    split: str = Field("", description="train, val or test: 80 to 10 to 10 by a hash of the name.")
    images: bool = Field(False, description="The images beside the labels, upright, in a ZIP archive.")
    leave_out_unsized: bool = Field(False, description="Do not wait for images whose size is not known yet.")
    since: str = Field("", max_length=80, description="Cursor of an earlier export: only changes and deletions.")


class WantedIn(Wanted, In):
    model_config = example(format="coco", source="human", images=False)


@router.get("/{labelset_id}/export", response={200: None, **REFUSALS}, openapi_extra=binary(*MEDIA))
def export_labelset(
    request: HttpRequest, slug: Path[str], labelset_id: int, wanted: Query[Wanted]
) -> StreamingHttpResponse:
    """Streamed from one consistent snapshot. The header Winnow-Cursor says where the next one may go on from."""
    labelset = labelset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), labelset_id)
    chosen, options = _options(labelset, wanted)
    export = exports.begin(exports.FORMATS[chosen], labelset, options, by=caller(request))
    response = StreamingHttpResponse(export.content, content_type=export.media_type)
    name = f"{export_files.file_name(labelset)}.{export.suffix}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Winnow-Cursor"] = export.cursor
    return response


@router.post("/{labelset_id}/exports", response={202: RunOut, **REFUSALS})
def begin_export(request: HttpRequest, slug: Path[str], labelset_id: int, payload: WantedIn) -> Status[Run]:
    """Have the file written by a run; it is kept for a day and downloaded under `exports`, by the run's uid."""
    labelset = labelset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), labelset_id)
    chosen, options = _options(labelset, payload)
    return Status(202, export_files.start(labelset=labelset, format=chosen, options=options, by=caller(request)))


@files.get(
    "/{uid}/file",
    response={200: None, 206: None, 302: None, 416: Error, **REFUSALS},
    openapi_extra=binary(*MEDIA, status=(200, 206)),
)
def get_export_file(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> HttpResponseBase:
    """The file of an export that has ended. `Range: bytes=N-` goes on from a byte; the file never changes."""
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    run = get_object_or_404(organization.runs, kind=export_files.KIND, uid=uid)
    if url := export_files.url_of(run):
        return HttpResponseRedirect(url)
    asked = _RANGE.match(request.headers.get("Range", ""))
    begin = int(asked[1]) if asked else 0
    if begin and begin >= run.result["bytes"]:
        raise Refused(416, f"The file ends at byte {run.result['bytes']}.")
    try:
        piece = export_files.read(run, begin)
    except StorageError as error:
        raise Refused(404, str(error)) from error
    return _answer(run, piece, is_part=asked is not None)


def _answer(run: Run, piece: export_files.Piece, *, is_part: bool) -> HttpResponseBase:
    status = 206 if is_part else 200
    response = StreamingHttpResponse(piece.content, content_type=run.result["media_type"], status=status)
    response["Content-Length"] = str(piece.size - piece.begin)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{run.uid}"'
    response["Content-Disposition"] = f'attachment; filename="{run.result["name"]}"'
    if is_part:
        response["Content-Range"] = f"bytes {piece.begin}-{piece.size - 1}/{piece.size}"
    return response


def _options(labelset: Labelset, wanted: Wanted) -> tuple[str, exports.Options]:
    """As the form of the page reads them; raises ValidationError."""
    classes = [(each["id"], each["name"]) for each in taxonomies.palette(labelset.taxonomy)]
    formats = [(name, each.label) for name, each in exports.FORMATS.items()]
    given: dict[str, Any] = {name: value for name, value in wanted.dict().items() if value is not None}
    found = cleaned(ExportForm(given, classes=classes, formats=formats))
    return found.pop("format"), exports.Options(**found)
