"""COCO object detection: read with every doubt reported, written as a stream."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.taxonomies.trees import ROOT, Node
from apps.warehouse.formats import Class, FormatError, Item, Problem, in_chunks

# A box may leave its image by rounding; further out it is a mistake of the file.
SLACK_PIXELS = 1.0
# Ten-thousandths of a pixel: what float noise there is ends here, so a round trip gives the same file.
DIGITS = 4


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


def write(
    *,
    info: Mapping[str, Any],
    classes: Sequence[Class],
    images: Callable[[], Iterable[Item]],
    labeled: Callable[[], Iterable[Item]],
) -> Iterator[bytes]:
    """The file as a stream. `images` and `labeled` give the same items in the same order, `images` without labels."""
    return in_chunks(_parts(info, classes, images, labeled))


def _parts(
    info: Mapping[str, Any],
    classes: Sequence[Class],
    images: Callable[[], Iterable[Item]],
    labeled: Callable[[], Iterable[Item]],
) -> Iterator[str]:
    categories = [{"id": each.id, "name": each.name, "supercategory": each.parent} for each in classes]
    yield f'{{"info":{json.dumps(info)},"licenses":[],"categories":{json.dumps(categories)},"images":['
    comma = "\n"
    for number, item in enumerate(images(), 1):
        yield comma + json.dumps(_image(number, item))
        comma = ",\n"
    yield '\n],"annotations":['
    comma, identifier = "\n", 0
    for number, item in enumerate(labeled(), 1):
        for label in item.labels:
            identifier += 1
            yield f"{comma}{_annotation(identifier, number, item, label)}"
            comma = ",\n"
    yield "\n]}\n"


def _image(number: int, item: Item) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": item.name,
        "width": item.width,
        "height": item.height,
        "dp_id": str(item.uid),
        "task_id": str(item.task_uid) if item.task_uid else None,
        "source": item.source,
        "confidence": item.confidence,
        "cycle": item.cycle,
        "labeled_by": item.author,
    }


def _annotation(identifier: int, number: int, item: Item, label: Mapping[str, Any]) -> str:
    """Written by hand: this is the inner loop of an export, and all of it is numbers and our own words."""
    x, y, w, h = label["bbox"]
    left, top = round(x * item.width, DIGITS), round(y * item.height, DIGITS)
    wide, high = round(w * item.width, DIGITS), round(h * item.height, DIGITS)
    score = label.get("confidence")
    attributes = label.get("attributes")
    return (
        f'{{"id":{identifier},"image_id":{number},"category_id":{label["category"]:d},'
        f'"bbox":[{left},{top},{wide},{high}],"area":{round(wide * high, DIGITS)},"iscrowd":0,"segmentation":[],'
        f'"source":{json.dumps(label["source"])}'
        + (f',"score":{float(score)!r}' if score is not None else "")
        + (f',"attributes":{json.dumps(attributes)}' if attributes else "")
        + "}"
    )
