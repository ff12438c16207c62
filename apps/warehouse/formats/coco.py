"""COCO object detection: read with every doubt reported, written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import Any

import msgspec

from apps.taxonomies.trees import ROOT
from apps.warehouse.formats import Content, FormatError, Problem, boxes, in_chunks, listed
from apps.warehouse.formats.boxfile import (
    WAS_DELETED,
    Box,
    BoxFile,
    Picture,
    attributes_of,
    bbox_of,
    origin_of,
    share_of,
    size_of,
    source_of,
    to_labels,
)

__all__ = ["CocoFile", "Picture", "parse", "read", "to_labels", "write"]

CocoFile = BoxFile


def read(path: Path) -> CocoFile:
    """Raises FormatError if the file as a whole is not COCO."""
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise FormatError(f"{path.name} is not JSON: {error}.") from error
    except RecursionError as error:
        raise FormatError(f"{path.name} is nested too deeply.") from error
    return parse(raw, path.name)


def parse(raw: object, name: str = "The file") -> CocoFile:
    if not isinstance(raw, dict):
        raise FormatError(f"{name} is not COCO: it must be an object.")
    for key in ("images", "annotations", "categories", "deleted"):
        if not isinstance(raw.get(key, []), list):
            raise FormatError(f"{name} is not COCO: {key} must be a list.")
    if "images" not in raw:
        raise FormatError(f"{name} is not COCO: it has no images.")
    found = CocoFile({}, {}, [])
    _read_categories(found, raw.get("categories", []))
    by_id = _read_images(found, raw["images"])
    for position, entry in enumerate(raw.get("annotations", []), 1):
        _read_annotation(found, by_id, entry, position)
    for entry in raw.get("deleted", []):
        if isinstance(entry, dict) and isinstance(entry.get("file_name"), str):
            found.problems.append(Problem(entry["file_name"], WAS_DELETED))
    return found


def _read_categories(found: CocoFile, entries: Sequence[object]) -> None:
    names: set[str] = set()
    for position, entry in enumerate(entries, 1):
        number = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(number, int) or not isinstance(name, str) or not name.strip():
            found.problems.append(Problem(f"category {position}", "It needs an id and a name."))
        elif number in found.categories or name.strip() in names:
            found.problems.append(Problem(name, "The category is there twice."))
        else:
            parent = entry.get("supercategory") if isinstance(entry, dict) else ""
            found.categories[number] = (name.strip(), parent if isinstance(parent, str) and parent != ROOT else "")
            names.add(name.strip())


def _read_images(found: CocoFile, entries: Sequence[object]) -> dict[Any, Picture]:
    by_id: dict[Any, Picture] = {}
    for position, entry in enumerate(entries, 1):
        name = entry.get("file_name") if isinstance(entry, dict) else None
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(name, str) or not isinstance(number, int | str):
            found.problems.append(Problem(f"image {position}", "It needs an id and a file_name."))
        elif number in by_id:
            found.problems.append(Problem(name, f"The image id {number} is there twice."))
        elif name in found.pictures:
            found.problems.append(Problem(name, "The image is listed twice."))
        else:
            origin = origin_of(*map(entry.get, ("source", "confidence", "cycle", "labeled_by")))
            picture = Picture(name, *size_of(entry.get("width"), entry.get("height")), origin=origin)
            found.pictures[name] = by_id[number] = picture
    return by_id


def _read_annotation(found: CocoFile, by_id: Mapping[Any, Picture], entry: object, position: int) -> None:
    if not isinstance(entry, dict):
        found.problems.append(Problem(f"annotation {position}", "It must be an object."))
        return
    label = f"annotation {entry.get('id', position)}"
    key = entry.get("image_id")
    picture = by_id.get(key) if isinstance(key, int | str) else None
    if picture is None:
        found.problems.append(Problem(label, f"Its image {key!r} is not listed."))
        return
    key = entry.get("category_id")
    category = found.categories.get(key) if isinstance(key, int) else None
    bbox = bbox_of(entry.get("bbox"))
    if category is None:
        found.problems.append(Problem(picture.name, f"{label}: its category {key!r} is not in the file."))
    elif entry.get("iscrowd"):
        found.problems.append(Problem(picture.name, f"{label}: a crowd region is not a box."))
    elif bbox is None:
        found.problems.append(Problem(picture.name, f"{label}: its bbox must be four finite numbers."))
    else:
        source, attributes = source_of(entry.get("source")), attributes_of(entry.get("attributes"))
        score, where = share_of(entry.get("score")), f"A{label[1:]}"
        picture.boxes.append(Box(category[0], bbox, score, source, attributes, where=where))


class _Image(msgspec.Struct, gc=False):
    """An image as it is written; what COCO has no word for follows under names of our own."""

    id: int
    file_name: str
    width: int
    height: int
    dp_id: str
    task_id: str | None
    source: str
    confidence: float | None
    cycle: int | None
    labeled_by: str | None


class _Place(msgspec.Struct, gc=False, array_like=True):
    left: float
    top: float
    width: float
    height: float


class _Annotation(msgspec.Struct, gc=False, omit_defaults=True):
    id: int
    image_id: int
    category_id: int
    bbox: _Place
    area: float
    iscrowd: int
    segmentation: tuple[()]
    source: str
    score: float | None = None
    attributes: dict[str, Any] | None = None


class _Deleted(msgspec.Struct):
    file_name: str
    dp_id: str


class _LeftOut(msgspec.Struct):
    file_name: str
    reason: str


def write(content: Content) -> Iterator[bytes]:
    """The file as a stream, in two passes: images first, then their annotations, then what is not in it and why."""
    return in_chunks(_parts(content))


def _parts(content: Content) -> Iterator[bytes]:
    categories = [{"id": each.id, "name": each.name, "supercategory": each.parent} for each in content.classes]
    yield b'{"info":%b,"licenses":[],' % msgspec.json.encode(content.info)
    yield b'"categories":%b,' % msgspec.json.encode(categories)
    yield from listed(b'"images"', _images(content))
    yield from listed(b',"annotations"', _annotations(content))
    yield from listed(b',"deleted"', ([_Deleted(each.name, each.uid)] for each in content.gone()))
    yield from listed(b',"left_out"', ([_LeftOut(each.name, each.reason)] for each in content.left_out()))
    yield b"}\n"


def _images(content: Content) -> Iterator[list[_Image]]:
    number = 1
    for batch in content.bare():
        yield [
            _Image(
                n, item.name, item.width, item.height, item.uid, item.task_uid,
                item.source, item.confidence, item.cycle, item.author,
            )
            for n, item in enumerate(batch, number)
        ]  # fmt: skip
        number += len(batch)


def _annotations(content: Content) -> Iterator[list[_Annotation]]:
    """The inner loop of an export: column by column, so that little Python runs for a box alone."""
    number = image = 1
    for batch in content.labeled():
        labels = [label for item in batch for label in item.labels]
        *places, areas = boxes(batch).T.tolist()
        yield list(
            map(
                _Annotation,
                count(number),
                [owner for owner, item in enumerate(batch, image) for _ in item.labels],
                [label.category for label in labels],
                map(_Place, *places),
                areas,
                repeat(0),
                repeat(()),
                [label.source for label in labels],
                [label.confidence for label in labels],
                [label.attributes or None for label in labels],
            )
        )
        number, image = number + len(labels), image + len(batch)
