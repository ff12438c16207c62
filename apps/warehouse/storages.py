"""The bytes of datapoints: where they are kept and how workers and browsers come by them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages

from apps.accounts.models import Organization
from apps.warehouse.models import Datapoint, StorageMethod

Provider = StorageMethod.Provider


class StorageError(Exception):
    """A storage that does not give what is asked of it; the message is for people."""


class Door(Protocol):
    """How one storage method is reached."""

    def open(self, path: str) -> BinaryIO:
        """The whole file; raises StorageError."""
        ...

    def url(self, path: str) -> str | None:
        """Where a browser can load it by itself, for longer than a lease; None if only through us."""
        ...


class Winnow:
    """Uploads, kept in the platform's own storage: a folder or a bucket."""

    def __init__(self, method: StorageMethod) -> None:
        self.method = method

    def open(self, path: str) -> BinaryIO:
        return open_own(path)

    def url(self, path: str) -> str | None:
        return own_url(path)


DOORS: dict[str, Callable[[StorageMethod], Door]] = {Provider.WINNOW: Winnow}


def door(method: StorageMethod) -> Door:
    return DOORS[method.provider](method)


def own_url(path: str) -> str | None:
    """A pre-signed URL of a file in the platform's own storage, or None when that is a folder."""
    return None if _is_folder() else default_storage.url(path)


def _is_folder() -> bool:
    return isinstance(storages["default"], FileSystemStorage)


def open_own(path: str) -> BinaryIO:
    """A file of the platform's own storage; raises StorageError."""
    try:
        return default_storage.open(path, "rb")  # type: ignore[return-value]
    except OSError as error:
        raise StorageError("The file is not in the storage of Winnow.") from error


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


def image_source(datapoint: Datapoint) -> Path | Callable[[], bytes]:
    """What the learner reads: a path where the file is on this disk, else a function that fetches it.

    Give it datapoints with `select_related("storage")`.
    """
    path = datapoint.rendition or (datapoint.path if datapoint.storage.provider == Provider.WINNOW else "")
    if path and _is_folder():
        return Path(default_storage.path(path))
    return partial(open_bytes, datapoint)


def winnow_storage(organization: Organization) -> StorageMethod:
    """The organization's storage of uploads; made on first need."""
    method, _ = StorageMethod.objects.get_or_create(
        organization=organization, provider=Provider.WINNOW, defaults={"name": "Uploads"}
    )
    return method


def in_memory(file: BinaryIO) -> BinaryIO:
    """The same bytes, seekable."""
    return file if file.seekable() else BytesIO(file.read())
