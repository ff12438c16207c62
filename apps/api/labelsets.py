"""Labelsets: make, edit, delete, read the entries."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import caller, enter
from apps.api.datasets import image_url
from apps.api.errors import REFUSALS, Refused
from apps.api.inputs import In, Name, example
from apps.api.paging import CursorQuery, Page, page
from apps.taxonomies import labels
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT
from apps.warehouse import services
from apps.warehouse.models import Labelset, LabelsetEntry

router = Router()
Paths = Callable[[int], list[str]]


class LabelsetIn(In):
    model_config = example(name="Final", taxonomy="Traffic")

    name: Name
    taxonomy: str = Field(description="Name of the taxonomy; its newest version is taken.")
    description: str = ""


class LabelsetEdit(In):
    """What is left out stays as it is."""

    model_config = example(name="Final", description="Checked by hand.")

    name: Name | None = None
    description: str | None = None


class LabelsetOut(Schema):
    id: int
    name: str
    description: str
    label_type: str
    taxonomy_id: int
    created_at: datetime


class LabelsetDetail(LabelsetOut):
    entries: int


class EntryOut(Schema):
    """An entry in RedBrick's exchange form, with its provenance."""

    dpId: uuid.UUID
    taskId: uuid.UUID | None
    name: str
    items: list[str]
    itemsPresigned: list[str]
    labels: list[dict[str, Any]]
    source: str
    confidence: float | None
    cycle: int | None
    createdBy: str | None
    updated_at: datetime


@router.get("", response={200: Page[LabelsetOut], **REFUSALS})
def list_labelsets(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    return page(enter(request, slug, Can.SEE_WAREHOUSE).labelsets.all(), cursor)


@router.post("", response={201: LabelsetOut, **REFUSALS})
def create_labelset(request: HttpRequest, slug: Path[str], payload: LabelsetIn) -> Status[Labelset]:
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    taxonomy = organization.taxonomies.filter(name=payload.taxonomy).order_by("-version").first()
    if taxonomy is None:
        raise Refused(422, f"There is no taxonomy named {payload.taxonomy!r}.")
    by: Any = request.user
    return Status(
        201,
        services.create_labelset(
            organization=organization, name=payload.name, taxonomy=taxonomy, description=payload.description, by=by
        ),
    )


@router.get("/{labelset_id}", response={200: LabelsetDetail, **REFUSALS})
def get_labelset(request: HttpRequest, slug: Path[str], labelset_id: int) -> dict[str, Any]:
    labelset = labelset_of(enter(request, slug, Can.SEE_WAREHOUSE), labelset_id)
    return LabelsetOut.from_orm(labelset).dict() | {"entries": labelset.entries.count()}


@router.patch("/{labelset_id}", response={200: LabelsetOut, **REFUSALS})
def edit_labelset(request: HttpRequest, slug: Path[str], labelset_id: int, payload: LabelsetEdit) -> Labelset:
    labelset = labelset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), labelset_id)
    return services.edit(labelset, name=payload.name, description=payload.description)


@router.delete("/{labelset_id}", response={204: None, **REFUSALS})
def delete_labelset(request: HttpRequest, slug: Path[str], labelset_id: int) -> Status[None]:
    """Remove a labelset and its entries; not while a stage writes or reads it."""
    labelset = labelset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), labelset_id)
    services.delete_labelset(labelset=labelset, by=caller(request))
    return Status(204, None)


@router.get("/{labelset_id}/entries", response={200: Page[EntryOut], **REFUSALS})
def list_entries(request: HttpRequest, slug: Path[str], labelset_id: int, cursor: CursorQuery) -> dict[str, Any]:
    labelset = labelset_of(enter(request, slug, Can.SEE_WAREHOUSE), labelset_id)
    paths = {each["id"]: [ROOT, *each["path"]] for each in taxonomies.palette(labelset.taxonomy)}
    rows = labelset.entries.select_related("datapoint__storage", "author")
    return page(rows, cursor, lambda entry: _entry(request, slug, entry, paths.__getitem__))


def labelset_of(organization: Organization, labelset_id: int) -> Labelset:
    return get_object_or_404(organization.labelsets.select_related("taxonomy", "organization"), pk=labelset_id)


def _entry(request: HttpRequest, slug: str, entry: LabelsetEntry, path_of: Paths) -> dict[str, Any]:
    return {
        "dpId": entry.datapoint.uid,
        "taskId": entry.task_uid,
        "name": entry.datapoint.name,
        "items": [entry.datapoint.path],
        "itemsPresigned": [image_url(request, slug, entry.datapoint)],
        "labels": [labels.to_exchange(label, path_of) for label in entry.labels],
        "source": entry.source,
        "confidence": entry.confidence,
        "cycle": entry.cycle,
        "createdBy": entry.author.email if entry.author else None,
        "updated_at": entry.updated_at,
    }
