"""A file becomes a datapoint: judged by its header, stored, made small."""

from __future__ import annotations

import io
import uuid
from typing import BinaryIO

from django.core.files.base import File
from django.core.files.storage import default_storage

from apps.warehouse import pictures
from apps.warehouse.models import Datapoint, Dataset, Import, StorageMethod
from apps.warehouse.pictures import BadPicture
from apps.warehouse.storages import keep

NAME_LIMIT = 500


def clean_name(name: str) -> str:
    """A datapoint's name from a file's path; raises BadPicture."""
    cleaned = name.replace("\\", "/").strip().lstrip("/")
    if not cleaned or not cleaned.isprintable():
        raise BadPicture("The name is empty or has characters that cannot be shown.")
    if len(cleaned) > NAME_LIMIT:
        raise BadPicture(f"The name is longer than {NAME_LIMIT} characters.")
    return cleaned


def store_upload(
    dataset: Dataset,
    storage: StorageMethod,
    name: str,
    file: BinaryIO,
    import_row: Import | None = None,
    *,
    pixels_now: int = pictures.PIXEL_LIMIT,
) -> Datapoint:
    """Store a file in Winnow's storage; the datapoint is not saved yet. Raises BadPicture and keeps nothing then.

    A picture of more than `pixels_now` is judged by its header alone: a job has to prepare it.
    """
    header = pictures.probe(file)
    datapoint = Datapoint(dataset=dataset, storage=storage, import_row=import_row, name=name, uid=uuid.uuid4())
    if header.pixels <= pixels_now:
        apply_header(datapoint, header, file)
        make_small(datapoint, header, file)
    file.seek(0)
    path = f"datasets/{dataset.pk}/{datapoint.uid}.{header.extension}"
    datapoint.path = str(default_storage.save(path, File(file)))
    return datapoint


def apply_header(datapoint: Datapoint, header: pictures.Header, file: BinaryIO) -> None:
    datapoint.width, datapoint.height = header.width, header.height
    datapoint.bytes = file.seek(0, io.SEEK_END)


def make_small(datapoint: Datapoint, header: pictures.Header, file: BinaryIO) -> None:
    """Thumbnail, and rendition where browsers need one. Decodes the whole picture: raises BadPicture."""
    rendition = pictures.render(file) if header.needs_rendition else b""
    small = pictures.shrink(io.BytesIO(rendition) if rendition else file)
    datapoint.thumbnail = keep(f"thumbnails/{datapoint.dataset_id}/{datapoint.uid}.jpg", small)
    if rendition:
        datapoint.rendition = keep(f"renditions/{datapoint.dataset_id}/{datapoint.uid}.jpg", rendition)


def discard(datapoint: Datapoint) -> None:
    """Remove the files that Winnow keeps of a datapoint."""
    mine = datapoint.path if datapoint.storage.provider == StorageMethod.Provider.WINNOW else ""
    for path in filter(None, (mine, datapoint.thumbnail, datapoint.rendition)):
        default_storage.delete(path)


def discard_lists(row: Import) -> None:
    """Remove the files that an import was read from."""
    for path in filter(None, (row.params.get("file"), row.params.get("labels"))):
        default_storage.delete(path)
