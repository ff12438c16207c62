"""CSV: a row a box, and one without a box for an image in which there is nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.warehouse.formats import Content, Item, Label, batched, boxes, in_chunks, texts
from apps.warehouse.formats.names import split_of

COLUMNS = (
    "name", "path", "image_width", "image_height", "class_id", "class", "x", "y", "width", "height",
    "source", "confidence", "attributes", "image_source", "image_confidence", "cycle", "labeled_by", "split", "dp_id",
    "note",
)  # fmt: skip
DELETED, LEFT_OUT = "deleted", "left out: "
# A cell that begins so is a formula to a spreadsheet; the quote put before it is a text to it.
GUARDED = tuple("=+-@\t'")
_NO_BOX = "," * 8


def write(content: Content) -> Iterator[bytes]:
    return in_chunks(part.encode() for part in _parts(content))


def _parts(content: Content) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\n"
    class_of = {each.id: f"{each.id},{_cell(each.name)}" for each in content.classes}
    for batch in content.labeled():
        places = map(",".join, batched(texts(boxes(batch)[:, :4]), 4))
        yield "".join([_rows(class_of, item, places) for item in batch])
    for problem in content.left_out():
        yield _remark(problem.name, "", LEFT_OUT + problem.reason)
    for gone in content.gone():
        yield _remark(gone.name, gone.uid, DELETED)


def _rows(class_of: Mapping[int, str], item: Item, places: Iterator[str]) -> str:
    first = f"{_cell(item.name)},{_cell(item.path)},{item.width},{item.height},"
    last = (
        f",{item.source},{_number(item.confidence)},{_number(item.cycle)},{_cell(item.author or '')}"
        f",{split_of(item.name)},{item.uid},\n"
    )
    if not item.labels:
        return f"{first}{_NO_BOX}{last}"
    return "".join([f"{first}{_box(class_of, label, next(places))}{last}" for label in item.labels])


def _box(class_of: Mapping[int, str], label: Label, place: str) -> str:
    confidence = "" if label.confidence is None else label.confidence
    attributes = _attributes(label.attributes) if label.attributes else ""
    return f"{class_of[label.category]},{place},{label.source},{confidence},{attributes}"


def _attributes(attributes: Mapping[str, Any]) -> str:
    return _cell(json.dumps(attributes, ensure_ascii=False))


def _remark(name: str, uid: str, note: str) -> str:
    cells: Iterable[str] = (_cell(name), *[""] * (len(COLUMNS) - 3), uid, _cell(note))
    return ",".join(cells) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _cell(text: str) -> str:
    if text.startswith(GUARDED):
        text = f"'{text}"
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
