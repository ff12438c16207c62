"""ZIP files from outside: which entries are pictures to take, and which are refused."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from django.conf import settings

from apps.warehouse.formats import FormatError
from apps.warehouse.intake import clean_name
from apps.warehouse.items_list import Bad
from apps.warehouse.pictures import BadPicture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
ENTRIES_LIMIT = 1_000_000
# Pictures hardly compress: an entry that shrinks so far is made to fill a disk.
RATIO_LIMIT = 200
_SYMLINK = 0o120000
_DRIVE = re.compile(r"[A-Za-z]:")


class Damaged(ValueError):
    """An entry that cannot be unpacked; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture in the archive; `position` is its place in the archive's directory, from 1."""

    position: int
    name: str
    info: zipfile.ZipInfo


def open_archive(file: BinaryIO) -> zipfile.ZipFile:
    """Raises FormatError for what is no ZIP."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise FormatError(f"The file is not a ZIP archive: {error}.") from error
    if len(archive.infolist()) > ENTRIES_LIMIT:
        raise FormatError(f"The archive has more than {ENTRIES_LIMIT:,} entries.")
    return archive


def entries(archive: zipfile.ZipFile) -> Iterator[Entry | Bad]:
    """Pictures by their names; folders and other files are not ours to report."""
    for position, info in enumerate(archive.infolist(), 1):
        path = PurePosixPath(info.filename.replace("\\", "/"))
        # Not is_dir(): it fails on an entry without a name.
        if info.filename.endswith("/") or path.suffix.lower() not in SUFFIXES or "__MACOSX" in path.parts:
            continue
        reason = _wrong_with(info, path)
        if reason:
            yield Bad(position, shown(info.filename), reason)
            continue
        try:
            yield Entry(position, clean_name(path.as_posix()), info)
        except BadPicture as error:
            yield Bad(position, shown(info.filename), str(error))


def shown(name: str) -> str:
    """The name without what cannot be shown."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)[:500]


def _wrong_with(info: zipfile.ZipInfo, path: PurePosixPath) -> str:
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(path.parts[0]):
        return "The path leads out of the archive."
    if (info.external_attr >> 16) & 0o170000 == _SYMLINK:
        return "It is a link, not a file."
    if info.flag_bits & 1:
        return "It is encrypted."
    if info.file_size > settings.UPLOAD_LIMIT_BYTES:
        return f"It is larger than {settings.UPLOAD_LIMIT_BYTES // 2**20} MB."
    if info.file_size > RATIO_LIMIT * max(info.compress_size, 1) and info.file_size > 2**20:
        return "It unpacks to far more than a picture does."
    return ""


def read(archive: zipfile.ZipFile, entry: Entry) -> bytes:
    """The bytes of a picture; raises BadPicture."""
    try:
        return unpacked(archive, entry.info)
    except Damaged as error:
        raise BadPicture(str(error)) from error


def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, no more than its directory promised; raises Damaged."""
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError) as error:
        raise Damaged(f"The archive is damaged there: {error}.") from error
    if len(data) > info.file_size:
        raise Damaged("It is larger than the archive says.")
    return data
