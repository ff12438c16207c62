"""COCO object detection: read with every doubt reported, written as a stream."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from apps.taxonomies.trees import ROOT, Node
from apps.warehouse.formats import Content, FormatError, Label, Problem, batched, boxes, in_chunks, listed, texts

# A box may leave its image by rounding; further out it is a mistake of the file.
SLACK_PIXELS = 1.0


@dataclass(frozen=True, slots=True)
class Box:
    """A box in pixels, x, y, width, height from the top left."""

    category: str
    bbox: tuple[float, float, float, float]
    confidence: float | None = None


@dataclass(slots=True)
class Picture:
    """What the file says about one image; a size of 0 is not known."""

    name: str
    width: int
    height: int
    boxes: list[Box] = field(default_factory=list)


@dataclass(slots=True)
class CocoFile:
    """A COCO file in memory: categories by id, images by file name, and what made no sense."""

    categories: dict[int, tuple[str, str]]
    pictures: dict[str, Picture]
    problems: list[Problem]

    def tree(self) -> list[Node]:
        """The categories as a tree, class ids from 0 in the order of their ids."""
        ordered = sorted(self.categories.items())
        ids = {name: number for number, (_, (name, _)) in enumerate(ordered)}
        nodes = {name: Node(name, number) for name, number in ids.items()}
        roots: list[Node] = []
        for _, (name, parent) in ordered:
            siblings = nodes[parent].children if parent in nodes and parent != name else roots
            siblings.append(nodes[name])
        return roots


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
    for key in ("images", "annotations", "categories"):
        if not isinstance(raw.get(key, []), list):
            raise FormatError(f"{name} is not COCO: {key} must be a list.")
    if "images" not in raw:
        raise FormatError(f"{name} is not COCO: it has no images.")
    found = CocoFile({}, {}, [])
    _read_categories(found, raw.get("categories", []))
    by_id = _read_images(found, raw["images"])
    for position, entry in enumerate(raw.get("annotations", []), 1):
        _read_annotation(found, by_id, entry, position)
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
            width, height = entry.get("width"), entry.get("height")
            sized = isinstance(width, int) and isinstance(height, int)
            picture = Picture(name, width if sized else 0, height if sized else 0)  # type: ignore[arg-type]
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
    bbox = entry.get("bbox")
    score = entry.get("score")
    if category is None:
        found.problems.append(Problem(picture.name, f"{label}: its category {key!r} is not in the file."))
    elif entry.get("iscrowd"):
        found.problems.append(Problem(picture.name, f"{label}: a crowd region is not a box."))
    elif not _is_bbox(bbox):
        found.problems.append(Problem(picture.name, f"{label}: its bbox must be four finite numbers."))
    else:
        confidence = float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None
        picture.boxes.append(Box(category[0], tuple(bbox), confidence))  # type: ignore[arg-type]


def _is_bbox(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(part, int | float) and not isinstance(part, bool) for part in value)
        and all(math.isfinite(part) and abs(part) < 1e9 for part in value)
    )


def to_labels(
    picture: Picture, *, width: int, height: int, class_of: Mapping[str, int]
) -> tuple[list[dict[str, Any]] | None, list[Problem]]:
    """Raw labels of the image as it is displayed, and what was left out. None: the boxes are of another image."""
    if picture.width and (picture.width, picture.height) != (width, height):
        said = f"{picture.width} x {picture.height}"
        if (picture.width, picture.height) == (height, width):
            reason = f"The image is displayed turned, {width} x {height}; the file says {said}. Its boxes are left out."
        else:
            reason = f"The image is {width} x {height} px, the file says {said}. Its boxes are left out."
        return None, [Problem(picture.name, reason)]
    labels: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for box in picture.boxes:
        clipped = _clip(box.bbox, width, height)
        if box.category not in class_of:
            problems.append(Problem(picture.name, f"A box of class {box.category}: the taxonomy does not have it."))
        elif isinstance(clipped, str):
            problems.append(Problem(picture.name, f"A box of class {box.category}: {clipped}"))
        else:
            label = {"category": class_of[box.category], "bbox": clipped, "source": "import"}
            labels.append(label if box.confidence is None else label | {"confidence": box.confidence})
    return labels, problems


def _clip(bbox: tuple[float, float, float, float], width: int, height: int) -> list[float] | str:
    """The box normalized, or what is wrong with it."""
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        return f"it has no area ({w:g} x {h:g})."
    if min(x, y) < -SLACK_PIXELS or x + w > width + SLACK_PIXELS or y + h > height + SLACK_PIXELS:
        return f"it reaches outside the image ({x:g}, {y:g}, {w:g} x {h:g} px in {width} x {height})."
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if right <= left or bottom <= top:
        return "it lies outside the image."
    return [left / width, top / height, (right - left) / width, (bottom - top) / height]


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
    yield b',"annotations":['
    yield from _annotations(content)
    yield b"\n]"
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


def _annotations(content: Content) -> Iterator[bytes]:
    """Written by hand: this is the inner loop of an export, and all of it is numbers and our own words."""
    comma, number, image = "\n", 1, 1
    for batch in content.labeled():
        places = batched(texts(boxes(batch)), 5)
        pairs = ((owner, label) for owner, item in enumerate(batch, image) for label in item.labels)
        rows = [_annotation(n, owner, label, next(places)) for n, (owner, label) in enumerate(pairs, number)]
        if rows:
            yield (comma + ",\n".join(rows)).encode()
            comma = ",\n"
        number, image = number + len(rows), image + len(batch)


def _annotation(number: int, image: int, label: Label, place: tuple[str, ...]) -> str:
    left, top, wide, high, area = place
    score = "" if label.confidence is None else f',"score":{label.confidence!r}'
    attributes = f',"attributes":{json.dumps(label.attributes)}' if label.attributes else ""
    return (
        f'{{"id":{number},"image_id":{image},"category_id":{label.category},"bbox":[{left},{top},{wide},{high}],'
        f'"area":{area},"iscrowd":0,"segmentation":[],"source":"{label.source}"{score}{attributes}}}'
    )
