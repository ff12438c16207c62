"""Label files in and out, one module a format; what they share is here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

CHUNK = 65_536


class FormatError(ValueError):
    """A file that is not what it should be; the message says where."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was left out: whose, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Class:
    """A category as label files know it."""

    id: int
    name: str
    parent: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One labelset entry on its way out: the image as displayed and what is known of its labels."""

    uid: uuid.UUID
    name: str
    path: str
    width: int
    height: int
    source: str
    confidence: float | None
    cycle: int | None
    task_uid: uuid.UUID | None
    author: str | None
    labels: list[dict[str, Any]]


def in_chunks(parts: Iterable[str]) -> Iterator[bytes]:
    """The text in pieces that are worth sending."""
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= CHUNK:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode()
