"""Imports: a list, a bucket, a folder, an archive, a series of uploads; progress is a run, errors are a list."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import File, Form, Path, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.datasets import dataset_of
from apps.api.errors import REFUSALS
from apps.api.inputs import In, cleaned, example, storable
from apps.api.paging import CursorQuery, Page, page
from apps.api.runs import RunOut
from apps.warehouse import imports, services
from apps.warehouse.forms import BucketForm, FolderForm, ItemsListForm, ZipForm
from apps.warehouse.models import Import

router = Router()
ways = Router()


class ItemsIn(In):
    """Items as `{"items": ["folder/a.png"]}` or `{"url": "…"}`, with an optional name, labels, priority, metaData."""

    model_config = example(
        storage_method="Street cameras",
        items=[{"items": ["2026/a.jpg"], "name": "a.jpg"}, {"url": "2026/b.jpg", "priority": 0.5}],
        labelset=None,
    )

    storage_method: str = Field(description="Name of a bucket or of public URLs.")
    items: list[Any]
    labelset: str | None = Field(None, description="Name of the labelset that labels of the items go to.")


class BucketIn(In):
    model_config = example(storage_method="Street cameras", prefix="2026/", pattern="*/front/*.jpg")

    storage_method: str
    prefix: str = Field("", description="Only keys that begin so.")
    pattern: str = Field("", description="Such as `*/front/*.jpg`; empty for every picture.")


class FolderIn(In):
    model_config = example(root="/data/images", folder="2026", labelset=None)

    root: str = Field(description="One of the folders that the server's operator has opened (IMPORT_FOLDERS).")
    folder: str = Field("", description="Within it; empty for all.")
    labelset: str | None = Field(None, description="Name of the labelset that the labels in the folder go to.")


class ImportOut(Schema):
    id: int
    dataset_id: int
    source: str
    created: int
    skipped: int
    failed: int
    labeled: int
    undone_at: datetime | None
    created_at: datetime
    run: RunOut | None = Field(description="The job that does it, tries again or undoes it; null for uploads.")


class FailureOut(Schema):
    id: int
    position: int | None = Field(description="Of the item in its source, from 1.")
    name: str
    reason: str


@ways.post("/items-list", response={202: ImportOut, **REFUSALS})
def import_items(request: HttpRequest, slug: Path[str], dataset_id: Path[int], payload: ItemsIn) -> Status[Import]:
    """Import a list of paths. Longer ones go as a file, see below."""
    file = io.BytesIO(json.dumps(payload.items).encode())
    return _items(request, slug, dataset_id, payload.storage_method, payload.labelset or "", file)


@ways.post("/items-file", response={202: ImportOut, **REFUSALS})
def import_items_file(
    request: HttpRequest,
    slug: Path[str],
    dataset_id: Path[int],
    file: File[UploadedFile],
    storage_method: Form[str],
    labelset: Form[str] = "",
) -> Status[Import]:
    """The same from a JSON file, which is read as a stream: a million items and more."""
    content: Any = file
    return _items(request, slug, dataset_id, storage_method, labelset, content)


@ways.post("/bucket", response={202: ImportOut, **REFUSALS})
def import_bucket(request: HttpRequest, slug: Path[str], dataset_id: Path[int], payload: BucketIn) -> Status[Import]:
    """Import what a bucket holds under a prefix; done again, only what is new."""
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    dataset = dataset_of(organization, dataset_id)
    given = {"storage": _key(organization.storage_methods, payload.storage_method)}
    form = BucketForm({**payload.dict(exclude={"storage_method"}), **given}, organization=organization)
    return Status(202, imports.start_prefix(dataset=dataset, by=caller(request), **cleaned(form)))


@ways.post("/folder", response={202: ImportOut, **REFUSALS})
def import_folder(request: HttpRequest, slug: Path[str], dataset_id: Path[int], payload: FolderIn) -> Status[Import]:
    """Copy the pictures of a folder of the server's machine, of those its operator has opened.

    With `labelset`, the labels in the folder go there: COCO, YOLO, Pascal VOC, CSV or RedBrick's JSON.
    """
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    dataset = dataset_of(organization, dataset_id)
    given = {"labelset": _key(organization.labelsets, payload.labelset) if payload.labelset else None}
    wanted = cleaned(FolderForm(payload.dict() | given, organization=organization))
    return Status(202, imports.start_folder(dataset=dataset, by=caller(request), **wanted))


@ways.post("/archive", response={202: ImportOut, **REFUSALS})
def import_archive(
    request: HttpRequest,
    slug: Path[str],
    dataset_id: Path[int],
    file: File[UploadedFile],
    labels: File[UploadedFile | None] = None,
    labelset: Form[str] = "",
) -> Status[Import]:
    """Import the pictures of a ZIP archive; names are paths within it.

    With `labelset`, the boxes go to the labelset of that name: from `labels`, a file in a format that is exported
    too, or without it from the archive itself, which may be an export of images and labels in any format.
    """
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    dataset = dataset_of(organization, dataset_id)
    given = {"labelset": _key(organization.labelsets, labelset) if labelset else None}
    files: Any = {"file": file, "labels": labels}
    wanted = cleaned(ZipForm(given, files, organization=organization))
    return Status(202, imports.start_zip(dataset=dataset, by=caller(request), **wanted))


@ways.post("/uploads", response={201: ImportOut, **REFUSALS})
def begin_uploads(request: HttpRequest, slug: Path[str], dataset_id: Path[int]) -> Status[Import]:
    """One import for a series of uploads: name it with each, so that they can be looked at and undone together."""
    dataset = dataset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), dataset_id)
    return Status(201, services.begin_upload(dataset=dataset, by=caller(request)))


@router.get("", response={200: Page[ImportOut], **REFUSALS})
def list_imports(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    organization = enter(request, slug, Can.SEE_WAREHOUSE)
    return page(Import.objects.filter(dataset__organization=organization).select_related("run"), cursor)


@router.get("/{import_id}", response={200: ImportOut, **REFUSALS})
def get_import(request: HttpRequest, slug: Path[str], import_id: int) -> Import:
    return _import(request, slug, import_id, Can.SEE_WAREHOUSE)


@router.get("/{import_id}/failures", response={200: Page[FailureOut], **REFUSALS})
def list_import_failures(request: HttpRequest, slug: Path[str], import_id: int, cursor: CursorQuery) -> dict[str, Any]:
    """Everything that did not come in, and why."""
    return page(_import(request, slug, import_id, Can.SEE_WAREHOUSE).failures.all(), cursor)


@router.post("/{import_id}/retry", response={202: ImportOut, **REFUSALS})
def retry_import(request: HttpRequest, slug: Path[str], import_id: int) -> Status[Import]:
    """Try again what failed."""
    row = _import(request, slug, import_id, Can.MANAGE_WAREHOUSE)
    imports.retry_failed(import_row=row, by=caller(request))
    return Status(202, _import(request, slug, import_id, Can.MANAGE_WAREHOUSE))


@router.post("/{import_id}/undo", response={202: ImportOut, **REFUSALS})
def undo_import(request: HttpRequest, slug: Path[str], import_id: int) -> Status[Import]:
    """Remove what the import created, unless it is used."""
    imports.undo(import_row=_import(request, slug, import_id, Can.MANAGE_WAREHOUSE), by=caller(request))
    return Status(202, _import(request, slug, import_id, Can.MANAGE_WAREHOUSE))


def import_of(organization: Any, import_id: int) -> Import:
    rows = Import.objects.filter(dataset__organization=organization).select_related("run", "dataset__organization")
    return get_object_or_404(rows, pk=import_id)


def _import(request: HttpRequest, slug: str, import_id: int, can: Can) -> Import:
    return import_of(enter(request, slug, can), import_id)


def _items(request: HttpRequest, slug: str, dataset_id: int, storage: str, labelset: str, file: Any) -> Status[Import]:
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    dataset = dataset_of(organization, dataset_id)
    given = {
        "storage": _key(organization.storage_methods, storage),
        "labelset": _key(organization.labelsets, labelset) if labelset else None,
        "text": "in the file",
    }
    wanted = cleaned(ItemsListForm(given, organization=organization))
    started = imports.start_items_list(
        dataset=dataset, storage=wanted["storage"], file=file, labelset=wanted["labelset"], by=caller(request)
    )
    return Status(202, started)


def _key(rows: Any, name: str) -> int:
    """The key of what is called so; one that nothing has where nothing is, for the form to refuse."""
    return int(rows.filter(name=storable(name)).values_list("pk", flat=True).first() or 0)
