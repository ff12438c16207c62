"""Label files in and out, one module a format; what they share is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from apps.warehouse.formats.names import Renamed

Numbers = npt.NDArray[np.float64]

CHUNK = 65_536
# Ten-thousandths of a pixel: what float noise there is ends here, so a round trip gives the same file.
DIGITS = 4


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


# What there are millions of is a struct rather than a dataclass: read from JSON and written to it without a dict.
class Label(msgspec.Struct, gc=False):
    """One label of an entry, as it is stored."""

    id: str
    category: int
    bbox: tuple[float, float, float, float]
    source: str
    confidence: float | None = None
    attributes: dict[str, Any] | None = None


class Item(msgspec.Struct):
    """One labelset entry on its way out: the image as displayed (0: not known) and what is known of its labels."""

    uid: str
    name: str
    path: str
    storage_id: int
    width: int
    height: int
    source: str
    confidence: float | None
    cycle: int | None
    task_uid: str | None
    author: str | None
    labels: list[Label]
    # Of the name that it had before it was made safe for the disk.
    split: str = ""


class Gone(msgspec.Struct):
    """An entry that an earlier export held and that is no longer there."""

    uid: str
    name: str


Items = Iterator[list[Item]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an export holds. Entries come in batches, the same ones in the same order as often as they are asked for."""

    info: Mapping[str, Any]
    classes: Sequence[Class]
    bare: Callable[[], Items]
    labeled: Callable[[], Items]
    gone: Callable[[], Iterable[Gone]] = tuple
    left_out: Callable[[], Iterable[Problem]] = tuple
    # Where the writer of files notes the names that they could not have.
    renamed: Renamed | None = None


def corners(items: Sequence[Item]) -> Numbers:
    """Left, top, right and bottom in pixels of every box of the items, in their order: (boxes, 4).

    Edges are rounded, not sizes: so a box at the border stays inside, and read back it gives the same edges.
    """
    sizes = np.array([(item.width, item.height) for item in items], dtype=np.float64).reshape(-1, 2)
    sizes = np.repeat(sizes, [len(item.labels) for item in items], axis=0)
    return (edges(items) * np.hstack([sizes, sizes])).round(DIGITS)


def edges(items: Sequence[Item]) -> Numbers:
    """The same as shares of the image, not rounded."""
    every = chain.from_iterable([label.bbox for item in items for label in item.labels])
    found = np.fromiter(every, dtype=np.float64).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    return found


def boxes(items: Sequence[Item]) -> Numbers:
    """Left, top, width, height and area in pixels of every box of the items: (boxes, 5)."""
    found = corners(items)
    sizes = (found[:, 2:] - found[:, :2]).round(DIGITS)
    return np.hstack([found[:, :2], sizes, sizes.prod(axis=1, keepdims=True).round(DIGITS)])


def texts(numbers: Numbers) -> list[str]:
    """Each number as the shortest text that means it: all at once, since one at a time is what would take longest."""
    joined = msgspec.json.encode(numbers.ravel().tolist())[1:-1].decode()
    return joined.split(",") if joined else []


def batched(parts: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """`size` at a time; the last ones are left out unless they are as many."""
    return zip(*[iter(parts)] * size, strict=False)


def in_chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth sending."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def listed(key: bytes, batches: Iterable[list[Any]]) -> Iterator[bytes]:
    """A member of a JSON object: the list of all that the batches hold."""
    yield key + b":["
    comma = b"\n"
    for batch in batches:
        if batch:
            yield comma + msgspec.json.encode(batch)[1:-1]
            comma = b",\n"
    yield b"\n]"
