"""How each kind of storage is reached: one class a provider, in one dict."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage, storages

from apps.common import fetch
from apps.warehouse.models import StorageMethod
from apps.warehouse.s3 import BYTES_IN_MEMORY, S3, StorageError, TooLong

Provider = StorageMethod.Provider
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that validation tried, and what exactly failed if it did."""

    what: str
    error: str = ""


class Door(Protocol):
    """How one storage method is reached."""

    def open(self, path: str, most: int | None = None) -> BinaryIO:
        """The whole file, seekable; raises StorageError, TooLong for one of more than `most` bytes."""
        ...

    def url(self, path: str) -> str | None:
        """Where a browser can load it by itself, for longer than a lease; None if only through us."""
        ...

    def check(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What validation tries, in order; each raises StorageError with what failed."""
        ...


class Winnow:
    """Uploads, kept in the platform's own storage: a folder or a bucket."""

    def __init__(self, method: StorageMethod) -> None:
        self.method = method

    def open(self, path: str, most: int | None = None) -> BinaryIO:
        return open_own(path)

    def url(self, path: str) -> str | None:
        return own_url(path)

    def check(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield from ()


class Public:
    """Absolute URLs that anybody can load: browsers directly, workers through the guard."""

    def __init__(self, method: StorageMethod) -> None:
        self.method = method

    def open(self, path: str, most: int | None = None) -> BinaryIO:
        copy = tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY)  # noqa: SIM115
        try:
            answer = fetch.fetch(path, max_bytes=most or settings.UPLOAD_LIMIT_BYTES, into=cast(BinaryIO, copy))
        except fetch.TooLong as error:
            raise (TooLong if most else StorageError)(str(error)) from error
        except fetch.FetchError as error:
            raise StorageError(str(error)) from error
        if answer.status != 200:
            raise StorageError(f"{urlsplit(path).hostname} answered {answer.status}.")
        copy.seek(0)
        return cast(BinaryIO, copy)

    def url(self, path: str) -> str | None:
        return path

    def check(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield from ()


DOORS: dict[str, Callable[[StorageMethod], Door]] = {
    Provider.AWS_S3: S3,
    Provider.PUBLIC: Public,
    Provider.WINNOW: Winnow,
}


# To make a client for S3 takes a tenth of a second, and every row of a list brings a method of its own.
_OPEN: dict[tuple[object, ...], Door] = {}
_MOST_OPEN = 100


def door(method: StorageMethod) -> Door:
    """The way to a method's files; one for all that name the same place with the same keys."""
    place = method.provider, method.bucket, method.region, method.endpoint, method.prefix
    key = *place, method.access_key, method.secret_key
    if (found := _OPEN.get(key)) is None:
        if len(_OPEN) >= _MOST_OPEN:
            _OPEN.clear()
        found = _OPEN[key] = DOORS[method.provider](copy(method))  # whose keys its owner may change
    return found


def origin_of(url: str | None) -> str:
    """Scheme, host and port, as a content security policy names them; empty for what such a policy cannot name.

    A name is written in ASCII, and signs that mean something in the policy would begin another directive.
    """
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname or "", parts.port
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(name):
        return ""
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def is_own_folder() -> bool:
    """Whether the platform's own storage is a folder of this machine rather than a bucket."""
    return isinstance(storages["default"], FileSystemStorage)


def own_url(path: str) -> str | None:
    """A pre-signed URL of a file in the platform's own storage, or None when that is a folder."""
    return None if is_own_folder() else default_storage.url(path)


def open_own(path: str) -> BinaryIO:
    """A file of the platform's own storage; raises StorageError."""
    try:
        return default_storage.open(path, "rb")  # type: ignore[return-value]
    except OSError as error:
        raise StorageError("The file is not in the storage of Winnow.") from error
