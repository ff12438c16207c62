"""Datasets and their datapoints: make, list, upload."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import File, Form, Path, Router, Schema, Status
from ninja.files import UploadedFile

from apps.accounts.access import Can
from apps.accounts.models import Organization
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS, Error, Refused, answer
from apps.api.inputs import In, Name, binary, example, storable
from apps.api.paging import CursorQuery, Page, page
from apps.warehouse import removing, services, storages
from apps.warehouse.models import Datapoint, Dataset
from apps.warehouse.views.images import image

router = Router()
images = Router()


class DatasetIn(In):
    model_config = example(name="Street cameras", description="One week in March.")

    name: Name
    description: str = ""


class DatasetEdit(In):
    """What is left out stays as it is."""

    model_config = example(name="Street cameras", description="One week in March.")

    name: Name | None = None
    description: str | None = None


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


@router.patch("/{dataset_id}", response={200: DatasetOut, **REFUSALS})
def edit_dataset(request: HttpRequest, slug: Path[str], dataset_id: int, payload: DatasetEdit) -> Dataset:
    dataset = dataset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), dataset_id)
    return services.edit(dataset, name=payload.name, description=payload.description)


@router.delete("/{dataset_id}", response={202: None, **REFUSALS})
def delete_dataset(request: HttpRequest, slug: Path[str], dataset_id: int) -> Status[None]:
    """Delete it with its images, in a run; refused while a project or a labelset holds on to them."""
    dataset = dataset_of(enter(request, slug, Can.MANAGE_WAREHOUSE), dataset_id)
    removing.delete_dataset(dataset=dataset, by=caller(request))
    return Status(202, None)


@router.get("/{dataset_id}/datapoints", response={200: Page[DatapointOut], **REFUSALS})
def list_datapoints(request: HttpRequest, slug: Path[str], dataset_id: int, cursor: CursorQuery) -> dict[str, Any]:
    dataset = dataset_of(enter(request, slug, Can.SEE_WAREHOUSE), dataset_id)
    rows = dataset.datapoints.select_related("storage")
    return page(rows, cursor, lambda datapoint: _datapoint(request, slug, datapoint))


@router.post("/{dataset_id}/datapoints", response={201: DatapointOut, **REFUSALS})
def upload_datapoint(
    request: HttpRequest,
    slug: Path[str],
    dataset_id: int,
    file: File[UploadedFile],
    name: Form[str] = "",
    import_id: Form[int | None] = None,
) -> Status[dict[str, Any]]:
    """Upload one image. Its name is unique in the dataset; by default it is the file's.

    `import_id` names the series of uploads that it belongs to, if one was begun.
    """
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    dataset = dataset_of(organization, dataset_id)
    series = import_id and get_object_or_404(dataset.imports, source="upload", undone_at=None, pk=import_id)
    picture: Any = file
    try:
        added = services.add_upload(
            dataset=dataset, file=picture, name=storable(name or file.name or ""), import_row=series or None
        )
    except services.UploadError as error:
        raise Refused(error.status, str(error)) from error
    return Status(201, _datapoint(request, slug, added))


@images.get(
    "/{uid}/image",
    response={200: None, 302: None, 304: None, 502: Error, 503: Error, **REFUSALS},
    openapi_extra=binary("image/*"),
)
def get_image(request: HttpRequest, slug: Path[str], uid: uuid.UUID) -> HttpResponseBase:
    """The image as a browser can show it: streamed, or redirected to a pre-signed URL. 503 while it is prepared."""
    enter(request, slug, Can.SEE_IMAGES)
    page_request: Any = request
    response = image(page_request, slug, uid)
    if response.status_code < 500 or not isinstance(response, HttpResponse):
        return response
    told = answer(response.status_code, response.content.decode())
    if "Retry-After" in response:
        told["Retry-After"] = response["Retry-After"]
    return told


def dataset_of(organization: Organization, dataset_id: int) -> Dataset:
    return get_object_or_404(organization.datasets, pk=dataset_id)


def image_url(request: HttpRequest, slug: str, datapoint: Datapoint) -> str:
    """Pre-signed where the storage signs; else the guarded door, which takes the key."""
    own = request.build_absolute_uri(reverse("api:get_image", args=[slug, datapoint.uid]))
    try:
        return storages.url_for(datapoint) or own
    except storages.StorageError:
        # That door says what is wrong with the storage, to whoever asks for the image.
        return own


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
