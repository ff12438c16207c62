"""Datasets and labelsets: create, fill by upload, describe, delete."""

from __future__ import annotations

import os
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts import audit
from apps.accounts.models import Organization, User
from apps.common.http import Conflict
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse import intake, pictures, preparing, removing
from apps.warehouse.models import Datapoint, Dataset, Import, ImportFailure, Labelset
from apps.warehouse.pictures import BadPicture
from apps.warehouse.signals import announce_datapoints
from apps.warehouse.storages import winnow_storage

Row = TypeVar("Row", Dataset, Labelset)


class UploadError(Exception):
    """A file that did not come in; the message is the reason, `status` what HTTP calls it."""

    status = 422


class TooLarge(UploadError):
    status = 413


def create_dataset(*, organization: Organization, name: str, description: str = "", by: User | None = None) -> Dataset:
    dataset = Dataset(organization=organization, name=name.strip(), description=description.strip(), created_by=by)
    return _saved(dataset, "A dataset of this name is there already.")


def create_labelset(
    *, organization: Organization, name: str, taxonomy: Taxonomy, description: str = "", by: User | None = None
) -> Labelset:
    """An empty labelset; its version of the taxonomy freezes."""
    if taxonomy.organization_id != organization.pk:
        raise ValidationError({"taxonomy": "The taxonomy is not of this organization."})
    labelset = Labelset(organization=organization, name=name.strip(), description=description.strip(), created_by=by)
    labelset.taxonomy = taxonomy
    with transaction.atomic():
        taxonomies.freeze(taxonomy)
        return _saved(labelset, "A labelset of this name is there already.")


def _saved(row: Row, taken: str) -> Row:
    row.full_clean(exclude=["organization", "taxonomy", "created_by"], validate_constraints=False)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise ValidationError({"name": taken}) from error
    return row


def edit(row: Row, *, name: str | None = None, description: str | None = None) -> Row:
    """Another name or description for a dataset or labelset; None leaves it as it is."""
    row.name = row.name if name is None else name.strip()
    row.description = row.description if description is None else description.strip()
    row.full_clean(exclude=["organization", "taxonomy", "created_by"], validate_constraints=False)
    try:
        with transaction.atomic():
            row.save(update_fields=["name", "description"])
    except IntegrityError as error:
        raise ValidationError({"name": "This name is taken."}) from error
    return row


@transaction.atomic
def begin_upload(*, dataset: Dataset, by: User | None) -> Import:
    """What the files of one visit to the upload page belong to."""
    removing.require_kept([dataset.pk])
    return Import.objects.create(
        dataset=dataset, storage=winnow_storage(dataset.organization), source="upload", created_by=by
    )


def add_upload(
    *,
    dataset: Dataset,
    file: BinaryIO,
    name: str,
    import_row: Import | None = None,
    announce: bool = True,
) -> Datapoint:
    """The file as a new datapoint; raises UploadError, which the import row then tells too."""
    try:
        try:
            return _added(dataset, file, intake.clean_name(name), import_row, announce)
        except BadPicture as error:
            raise UploadError(str(error)) from error
    except UploadError as error:
        if import_row is not None:
            _note_failure(import_row, name, str(error))
        raise


def _added(dataset: Dataset, file: BinaryIO, name: str, import_row: Import | None, announce: bool) -> Datapoint:
    if file.seek(0, os.SEEK_END) > settings.UPLOAD_LIMIT_BYTES:
        raise TooLarge(f"The file is larger than {settings.UPLOAD_LIMIT_BYTES // 2**20} MB.")
    if dataset.datapoints.filter(name=name).exists():
        raise UploadError("The dataset has a datapoint of this name already.")
    storage = winnow_storage(dataset.organization)
    datapoint = intake.store_upload(dataset, storage, name, file, import_row, pixels_now=pictures.QUICK_PIXELS)
    try:
        with transaction.atomic():
            datapoint.save(force_insert=True)
            if import_row is not None:
                Import.objects.filter(pk=import_row.pk).update(created=F("created") + 1)
            if announce:
                announce_datapoints(dataset.pk)
    except IntegrityError as error:
        intake.discard(datapoint)
        raise UploadError("The dataset has a datapoint of this name already.") from error
    if datapoint.width is None:
        preparing.start(dataset)
    return datapoint


@transaction.atomic
def _note_failure(import_row: Import, name: str, reason: str) -> None:
    ImportFailure.objects.create(import_row=import_row, name=name[: intake.NAME_LIMIT], reason=reason)
    Import.objects.filter(pk=import_row.pk).update(failed=F("failed") + 1)


@transaction.atomic
def delete_labelset(*, labelset: Labelset, by: User | None) -> None:
    """Remove a labelset and its entries; not while a stage writes or reads it."""
    locked = Labelset.objects.select_for_update().get(pk=labelset.pk)
    if users := sorted(set(locked.stages.values_list("project__name", flat=True))):
        raise Conflict(f"The labelset is used by {', '.join(users)}. Delete the project first.")
    audit.record(locked.organization_id, by, "deleted labelset", locked.name)
    locked.delete()
