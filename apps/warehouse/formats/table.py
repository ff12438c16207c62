"""CSV: a row a box, and one without a box for an image in which there is nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.warehouse.formats import Content, FormatError, Item, Label, Problem, batched, boxes, in_chunks, texts
from apps.warehouse.formats.boxfile import (
    WAS_DELETED,
    Box,
    BoxFile,
    Picture,
    attributes_of,
    bbox_of,
    numbers,
    origin_of,
    share_of,
    size_of,
    source_of,
)
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
        f",{item.split or split_of(item.name)},{item.uid},\n"
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


NEEDED = ("name", "class", "x", "y", "width", "height")


def is_header(line: bytes) -> bool:
    """Whether a file that begins so is a table of boxes."""
    columns = next(csv.reader([line.decode("utf-8-sig", "replace").strip()]), [])
    return set(NEEDED) <= set(columns)


def read(data: bytes, path: str) -> BoxFile:
    """The boxes of every image, with every row that is none; raises FormatError for what is no such table."""
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), restval="")
        columns = rows.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read: {error}.") from error
    if missing := [name for name in NEEDED if name not in columns]:
        raise FormatError(f"{path} is no table of boxes: it has no column {', '.join(missing)}.")
    found = BoxFile({}, {}, [])
    while (row := _next(rows, path, found)) is not None:
        if row and (wrong := _read_row(found, row, f"Line {rows.line_num}")):
            found.problems.append(Problem(_text(row, "name") or path, f"Line {rows.line_num}: {wrong}"))
    return found


def _next(rows: csv.DictReader[str], path: str, found: BoxFile) -> dict[str, str] | None:
    """The next row, empty where it cannot be read, None at the end."""
    try:
        return next(rows, None)
    except csv.Error as error:
        found.problems.append(Problem(path, f"Line {rows.line_num}: {error}."))
        return {}


def _read_row(found: BoxFile, row: Mapping[str, str], where: str) -> str:
    """What is wrong with the row, if anything."""
    name, note = _text(row, "name"), _text(row, "note")
    if not name:
        return "it needs a name."
    if note == DELETED:
        return WAS_DELETED
    if note.startswith(LEFT_OUT):
        return f"it was {note}"
    picture = found.pictures.get(name) or _picture(name, row)
    found.pictures[name] = picture
    if not (category := _text(row, "class").strip()):
        return ""
    bbox = bbox_of(numbers([row.get(key, "") for key in ("x", "y", "width", "height")]) or [])
    if bbox is None:
        return "x, y, width and height must be finite numbers."
    try:
        attributes = json.loads(_text(row, "attributes") or "{}")
    except (ValueError, RecursionError):
        return "its attributes are not JSON."
    confidence, source = share_of(_value(row, "confidence")), source_of(_text(row, "source"))
    picture.boxes.append(Box(category, bbox, confidence, source, attributes_of(attributes), where=where))
    return ""


def _picture(name: str, row: Mapping[str, str]) -> Picture:
    origin = origin_of(
        _text(row, "image_source"), _value(row, "image_confidence"), _value(row, "cycle"), _text(row, "labeled_by")
    )
    return Picture(name, *size_of(_value(row, "image_width"), _value(row, "image_height")), origin=origin)


def _value(row: Mapping[str, str], key: str) -> float | None:
    """A number, whole where it is written so."""
    text = row.get(key, "").strip()
    if text.isdecimal() and len(text) < 12:
        return int(text)
    found = numbers([text])
    return found[0] if found else None


def _text(row: Mapping[str, str], key: str) -> str:
    """The cell as it was before it was made safe for spreadsheets."""
    text = row.get(key, "")
    return text[1:] if text.startswith("'") and text[1:].startswith(GUARDED) else text
