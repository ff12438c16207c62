"""Storage methods: make, try, give other keys, delete. Keys go in and never come out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Schema, Status
from pydantic import Field

from apps.accounts.access import Can
from apps.api.auth import caller, enter
from apps.api.errors import REFUSALS
from apps.api.inputs import In, cleaned, example
from apps.api.paging import CursorQuery, Page, page
from apps.warehouse import methods
from apps.warehouse.forms import KeysForm, S3Form, StorageForm
from apps.warehouse.models import StorageMethod

router = Router()


class StorageIn(In):
    """`PUBLIC` needs a name alone; `AWS_S3` a bucket, and keys unless the server's machine has a role."""

    model_config = example(
        provider="AWS_S3", name="Street cameras", bucket="street", region="eu-central-1", prefix="2026/",
        access_key="AKIA...", secret_key="...",  # noqa: S106
    )  # fmt: skip

    provider: Literal["AWS_S3", "PUBLIC"]
    name: str
    bucket: str = ""
    region: str = ""
    endpoint: str = Field("", description="Only for storages other than AWS.")
    prefix: str = Field("", description="Paths of datapoints count from here.")
    access_key: str = ""
    secret_key: str = ""


class KeysIn(In):
    model_config = example(access_key="AKIA...", secret_key="...")  # noqa: S106

    access_key: str
    secret_key: str


class StorageOut(Schema):
    id: int
    name: str
    provider: str
    bucket: str
    region: str
    endpoint: str
    prefix: str
    created_at: datetime


class CheckOut(Schema):
    what: str
    error: str = Field(description="Empty when it worked.")


class ValidationOut(Schema):
    works: bool
    checks: list[CheckOut]


@router.get("", response={200: Page[StorageOut], **REFUSALS})
def list_storage_methods(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    return page(enter(request, slug, Can.SEE_WAREHOUSE).storage_methods.all(), cursor)


@router.post("", response={201: StorageOut, **REFUSALS})
def create_storage_method(request: HttpRequest, slug: Path[str], payload: StorageIn) -> Status[StorageMethod]:
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    form = S3Form if payload.provider == "AWS_S3" else StorageForm
    wanted = cleaned(form(payload.dict()))
    return Status(201, methods.create(organization=organization, by=caller(request), **wanted))


@router.get("/{storage_id}", response={200: StorageOut, **REFUSALS})
def get_storage_method(request: HttpRequest, slug: Path[str], storage_id: int) -> StorageMethod:
    return _method(request, slug, storage_id, Can.SEE_WAREHOUSE)


@router.post("/{storage_id}/validate", response={200: ValidationOut, **REFUSALS})
def validate_storage_method(request: HttpRequest, slug: Path[str], storage_id: int) -> dict[str, Any]:
    """Try what the method is for, and say of each step what exactly failed."""
    checks = methods.validate(_method(request, slug, storage_id, Can.MANAGE_WAREHOUSE))
    found = [{"what": check.what, "error": check.error} for check in checks]
    return {"works": not any(check["error"] for check in found), "checks": found}


@router.put("/{storage_id}/keys", response={200: StorageOut, **REFUSALS})
def rotate_storage_keys(request: HttpRequest, slug: Path[str], storage_id: int, payload: KeysIn) -> StorageMethod:
    """Other keys from now on; the old ones are forgotten."""
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    method = get_object_or_404(organization.storage_methods.filter(provider="AWS_S3"), pk=storage_id)
    methods.rotate(method=method, by=caller(request), **cleaned(KeysForm(payload.dict())))
    return method


@router.delete("/{storage_id}", response={204: None, **REFUSALS})
def delete_storage_method(request: HttpRequest, slug: Path[str], storage_id: int) -> Status[None]:
    """Remove a method that no datapoint and no import uses."""
    methods.delete(method=_method(request, slug, storage_id, Can.MANAGE_WAREHOUSE), by=caller(request))
    return Status(204, None)


def _method(request: HttpRequest, slug: str, storage_id: int, can: Can) -> StorageMethod:
    return get_object_or_404(enter(request, slug, can).storage_methods, pk=storage_id)
