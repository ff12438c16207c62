"""Datasets and their datapoints: make, list, upload."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import File, Form, Path, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import enter
from apps.api.errors import REFUSALS, Refused
from apps.api.paging import CursorQuery, Page, page
from apps.warehouse import services, storages
from apps.warehouse.models import Datapoint, Dataset
from apps.warehouse.views.images import image

router = Router()
images = Router()


class DatasetIn(Schema):
    name: str = Field(min_length=1, max_length=80)
    description: str = ""


class DatasetOut(Schema):
    id: int
    name: str
    description: str
    created_at: datetime


class DatasetDetail(DatasetOut):
    datapoints: int


class DatapointOut(Schema):
    dpId: uuid.UUID
    name: str
    items: list[str]
    itemsPresigned: list[str]
    width: int | None
    height: int | None
    error: str


@router.get("", response={200: Page[DatasetOut], **REFUSALS})
def list_datasets(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    return page(enter(request, slug, Can.SEE_WAREHOUSE).datasets.all(), cursor)


@router.post("", response={201: DatasetOut, **REFUSALS})
def create_dataset(request: HttpRequest, slug: Path[str], payload: DatasetIn) -> Status[Dataset]:
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    by: Any = request.user
    return Status(
        201,
        services.create_dataset(organization=organization, name=payload.name, description=payload.description, by=by),
    )


@router.get("/{dataset_id}", response={200: DatasetDetail, **REFUSALS})
def get_dataset(request: HttpRequest, slug: Path[str], dataset_id: int) -> dict[str, Any]:
    dataset = dataset_of(enter(request, slug, Can.SEE_WAREHOUSE), dataset_id)
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "description": dataset.description,
        "created_at": dataset.created_at,
        "datapoints": dataset.datapoints.count(),
    }


@router.get("/{dataset_id}/datapoints", response={200: Page[DatapointOut], **REFUSALS})
def list_datapoints(request: HttpRequest, slug: Path[str], dataset_id: int, cursor: CursorQuery) -> dict[str, Any]:
    dataset = dataset_of(enter(request, slug, Can.SEE_WAREHOUSE), dataset_id)
    rows = dataset.datapoints.select_related("storage")
    return page(rows, cursor, lambda datapoint: _datapoint(request, slug, datapoint))


@router.post("/{dataset_id}/datapoints", response={201: DatapointOut, **REFUSALS})
def upload_datapoint(
    request: HttpRequest, slug: Path[str], dataset_id: int, file: File[UploadedFile], name: Form[str] = ""
) -> Status[dict[str, Any]]:
    """Upload one image. Its name is unique in the dataset; by default it is the file's."""
    dataset = dataset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), dataset_id)
    picture: Any = file
    try:
        added = services.add_upload(dataset=dataset, file=picture, name=name or file.name or "")
    except services.TooLarge as error:
        raise Refused(413, str(error)) from error
    except services.UploadError as error:
        raise Refused(422, str(error)) from error
    return Status(201, _datapoint(request, slug, added))


@images.get("/{uid}/image", response={200: None, 302: None, **REFUSALS})
def get_image(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> HttpResponseBase:
    """The image as a browser can show it: streamed, or redirected to a pre-signed URL."""
    enter(request, slug, Can.SEE_IMAGES)
    page_request: Any = request
    return image(page_request, slug, uid)


def dataset_of(organization: Organization, dataset_id: int) -> Dataset:
    return get_object_or_404(organization.datasets, pk=dataset_id)


def image_url(request: HttpRequest, slug: str, datapoint: Datapoint) -> str:
    """Pre-signed where the storage signs; else the guarded door, which takes the key."""
    own = reverse("api:get_image", args=[slug, datapoint.uid])
    return storages.url_for(datapoint) or request.build_absolute_uri(own)


def _datapoint(request: HttpRequest, slug: str, datapoint: Datapoint) -> dict[str, Any]:
    return {
        "dpId": datapoint.uid,
        "name": datapoint.name,
        "items": [datapoint.path],
        "itemsPresigned": [image_url(request, slug, datapoint)],
        "width": datapoint.width,
        "height": datapoint.height,
        "error": datapoint.error,
    }
