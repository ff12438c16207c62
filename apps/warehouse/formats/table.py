"""CSV: a row a box, and one without a box for an image in which there is nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apps.warehouse.formats import Class, Item, in_chunks

COLUMNS = (
    "name", "path", "image_width", "image_height", "class_id", "class", "x", "y", "width", "height",
    "source", "confidence", "image_source", "image_confidence", "cycle", "labeled_by", "dp_id",
)  # fmt: skip
DIGITS = 4


def write(classes: Sequence[Class], items: Iterable[Item]) -> Iterator[bytes]:
    return in_chunks(_lines({each.id: each.name for each in classes}, items))


def _lines(name_of: dict[int, str], items: Iterable[Item]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in items:
        for row in _rows(name_of, item):
            writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _rows(name_of: dict[int, str], item: Item) -> Iterator[Sequence[Any]]:
    first = (_cell(item.name), _cell(item.path), item.width, item.height)
    last = (item.source, item.confidence, item.cycle, item.author, item.uid)
    for label in item.labels:
        x, y, w, h = label["bbox"]
        pixels = (x * item.width, y * item.height, w * item.width, h * item.height)
        what = (label["category"], _cell(name_of[label["category"]]))
        yield (
            *first,
            *what,
            *(round(each, DIGITS) for each in pixels),
            label["source"],
            label.get("confidence"),
            *last,
        )
    if not item.labels:
        yield (*first, *[None] * 8, *last)


def _cell(text: str) -> str:
    """A cell that begins so is a formula to a spreadsheet."""
    return f"'{text}" if text[:1] in "=+-@\t" else text
