"""File names inside exports: safe on every disk, each used once, and which split an image belongs to."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Self

import msgspec

from apps.warehouse.formats import Item

# The file of an archive that says what its other files cannot.
ABOUT = "winnow.json"
SPLITS = ("train", "val", "test")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_UNSAFE = re.compile(r"[^\w.()+,=@ -]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?\Z", re.IGNORECASE)
# Most names need no care: parts of letters, digits, _ and -, none of them reserved, and a suffix.
_PART = r"(?!(?:con|prn|aux|nul|com\d|lpt\d)[./])[a-z0-9_][a-z0-9_-]{0,99}"
_PLAIN = re.compile(rf"({_PART}(?:/{_PART})*)\.[a-z0-9]{{1,5}}", re.IGNORECASE | re.ASCII)
# A disk holds names of 255 bytes: what tells two apart and a suffix must still fit.
_MOST_BYTES = 200
_SHARES = (("train", 0.8), ("val", 0.9), ("test", 1.0))


class Renamed:
    """Names that no file could have, each with the one that its file has: kept on disk, however many they are."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, file: str, name: str) -> None:
        self._file.write(msgspec.json.encode({"file": file, "name": name}) + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        """Each as a JSON object."""
        self._file.seek(0)
        return (line.rstrip() for line in self._file)


class Names:
    """Stems for the files of an export. It remembers hashes alone, so a million images cost little."""

    def __init__(self, renamed: Renamed | None = None) -> None:
        self._used: set[int] = set()
        self._renamed = renamed

    def stem(self, item: Item) -> str:
        """The name without its suffix, folders kept; of two that would be the same the later one is told apart."""
        plain = _PLAIN.fullmatch(item.name)
        stem = plain[1] if plain else _made_safe(item.name) or item.uid
        key = hash(stem.lower())
        if key in self._used:
            stem = f"{stem}-{item.uid}"
            key = hash(stem.lower())
        self._used.add(key)
        if self._renamed is not None and (file := stem + suffix_of(item)) != item.name:
            self._renamed.add(file, item.name)
        return stem

    def file(self, item: Item) -> str:
        """The same for the image itself, with its suffix."""
        return self.stem(item) + suffix_of(item)


def _made_safe(name: str) -> str:
    path = PurePosixPath(name)
    parts = [_part(part) for part in [*map(_folder, path.parts[:-1]), path.stem] if part not in {"/", ".."}]
    return "/".join(part for part in parts if part)


def _folder(name: str) -> str:
    """One that is named as an image might meet that image."""
    return name.replace(".", "_") if PurePosixPath(name).suffix.lower() in SUFFIXES else name


def _part(part: str) -> str:
    safe = _UNSAFE.sub("_", part).encode()[:_MOST_BYTES].decode(errors="ignore").strip(". ")
    return f"_{safe}" if _RESERVED.match(safe) else safe


def suffix_of(item: Item) -> str:
    """What the file of the image ends with: as its name does, else as its path."""
    if (
        (begin := item.name.rfind(".")) > 0
        and (plain := item.name[begin:]).lower() in SUFFIXES
        and item.name[begin - 1] != "/"
    ):
        return plain
    for text in (item.name, item.path):
        suffix = PurePosixPath(text).suffix
        if suffix.lower() in SUFFIXES:
            return suffix
    return ".jpg"


def split_of(name: str) -> str:
    """Train, val or test, 80 to 10 to 10, by a hash of the name: the same image always falls to the same."""
    share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / 2**48
    return next(split for split, bound in _SHARES if share < bound)
