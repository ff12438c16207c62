"""The bytes of datapoints: how workers and browsers come by them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from apps.accounts.models import Organization
from apps.warehouse.doors import Provider, door, is_own_folder, open_own, own_url
from apps.warehouse.models import Datapoint, StorageMethod
from apps.warehouse.s3 import StorageError

__all__ = [
    "StorageError", "door", "image_source", "keep", "local", "open_bytes", "open_datapoint", "open_own", "own_url",
    "url_for", "winnow_storage",
]  # fmt: skip


def keep(path: str, data: bytes) -> str:
    """Write a file of our own making into the platform's storage; returns its path there."""
    return str(default_storage.save(path, ContentFile(data)))


def open_datapoint(datapoint: Datapoint) -> BinaryIO:
    """The image as people and models see it: the rendition where there is one."""
    if datapoint.rendition:
        return open_own(datapoint.rendition)
    return door(datapoint.storage).open(datapoint.path)


def url_for(datapoint: Datapoint) -> str | None:
    """Where a browser loads the image by itself; None if it must come through us."""
    return own_url(datapoint.rendition) if datapoint.rendition else door(datapoint.storage).url(datapoint.path)


def open_bytes(datapoint: Datapoint) -> bytes:
    """All of the image, for workers."""
    with open_datapoint(datapoint) as file:
        return file.read()


@contextmanager
def local(path: str) -> Iterator[BinaryIO]:
    """A file of the platform's own storage on this disk, seekable: a bucket's is copied."""
    with open_own(path) as source:
        if isinstance(getattr(source, "file", None), io.IOBase) and hasattr(source, "path"):
            yield source
            return
        with tempfile.TemporaryFile() as copy:
            for chunk in iter(partial(source.read, 1 << 20), b""):
                copy.write(chunk)
            copy.seek(0)
            yield copy


def image_source(datapoint: Datapoint) -> Path | Callable[[], bytes]:
    """What the learner reads: a path where the file is on this disk, else a function that fetches it.

    Give it datapoints with `select_related("storage")`.
    """
    path = datapoint.rendition or (datapoint.path if datapoint.storage.provider == Provider.WINNOW else "")
    if path and is_own_folder():
        return Path(default_storage.path(path))
    return partial(open_bytes, datapoint)


def winnow_storage(organization: Organization) -> StorageMethod:
    """The organization's storage of uploads; made on first need."""
    method, _ = StorageMethod.objects.get_or_create(
        organization=organization, provider=Provider.WINNOW, defaults={"name": "Uploads"}
    )
    return method
