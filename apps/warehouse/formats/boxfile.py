"""What a file of boxes says, in whatever format: images by name with their boxes, and what made no sense in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.common.texts import is_storable
from apps.taxonomies.labels import SOURCES
from apps.taxonomies.trees import Node
from apps.warehouse.formats import Problem

# A box may leave its image by rounding; further out it is a mistake of the file.
SLACK_PIXELS = 1.0
SLACK_SHARE = 1e-3
WAS_DELETED = "The file says that it was deleted where it was exported: nothing is done here."
_CYCLE_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the labels of an image come from; the author is an e-mail address."""

    source: str = "import"
    confidence: float | None = None
    cycle: int | None = None
    author: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A box as x, y, width, height from the top left: in pixels, or as shares of the image. `where` it stands."""

    category: str
    bbox: tuple[float, float, float, float]
    confidence: float | None = None
    source: str = "import"
    attributes: Mapping[str, str | bool] | None = None
    in_shares: bool = False
    where: str = ""


@dataclass(slots=True)
class Picture:
    """What the file says about one image; a size of 0 is not known. `file` is told when something is wrong."""

    name: str
    width: int = 0
    height: int = 0
    boxes: list[Box] = field(default_factory=list)
    origin: Origin = Origin()
    file: str = ""


@dataclass(slots=True)
class BoxFile:
    """A file in memory: categories (name and parent) by id, images by file name, and what made no sense."""

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


def bbox_of(values: object) -> tuple[float, float, float, float] | None:
    """Four finite numbers that are not absurd, or None."""
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in values):
        return None
    if not all(math.isfinite(part) and abs(part) < 1e9 for part in values):
        return None
    left, top, width, height = values
    return left, top, width, height


def numbers(texts: list[str]) -> list[float] | None:
    """The texts as numbers, if all of them are."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def size_of(width: object, height: object) -> tuple[int, int]:
    """Whole pixels, or 0 and 0 where the file does not say it in such."""
    sides = [side for side in (width, height) if isinstance(side, int) and not isinstance(side, bool) and side > 0]
    return (sides[0], sides[1]) if len(sides) == 2 else (0, 0)


def share_of(value: object) -> float | None:
    """A confidence, where it is one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= 1 else None


def source_of(value: object) -> str:
    """Where a label came from, if the file says it in our words."""
    return value if isinstance(value, str) and value in SOURCES else "import"


def origin_of(source: object, confidence: object, cycle: object, author: object) -> Origin:
    """The provenance that a file tells of an image, as far as it can be meant; a model without confidence cannot."""
    said, share = source_of(source), share_of(confidence)
    is_cycle = isinstance(cycle, int) and not isinstance(cycle, bool) and 0 <= cycle < _CYCLE_LIMIT
    return Origin(
        "import" if said == "model" and share is None else said,
        share,
        cycle if is_cycle else None,  # type: ignore[arg-type]
        author if isinstance(author, str) and is_storable(author) else "",
    )


def attributes_of(value: object) -> dict[str, str | bool] | None:
    """Attributes that a label can hold: other tools also have numbers there, which are not ours."""
    if not isinstance(value, dict):
        return None
    fitting = {name: what for name, what in value.items() if isinstance(what, str | bool) and len(name) <= 80}
    return {name: what for name, what in fitting.items() if is_storable([name, what])} or None


def to_labels(
    picture: Picture, *, width: int, height: int, class_of: Mapping[str, int]
) -> tuple[list[dict[str, Any]] | None, list[Problem]]:
    """Raw labels of the image as it is displayed, and what was left out. None: the boxes are of another image."""
    told = picture.file or picture.name
    if picture.width and (picture.width, picture.height) != (width, height):
        said = f"{picture.width} x {picture.height}"
        if (picture.width, picture.height) == (height, width):
            reason = f"The image is displayed turned, {width} x {height}; the file says {said}. Its boxes are left out."
        else:
            reason = f"The image is {width} x {height} px, the file says {said}. Its boxes are left out."
        return None, [Problem(told, reason)]
    labels: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for box in picture.boxes:
        clipped = _clip(box.bbox, 1, 1, SLACK_SHARE) if box.in_shares else _clip(box.bbox, width, height, SLACK_PIXELS)
        begin = f"{box.where}: a" if box.where else "A"
        if box.category not in class_of:
            problems.append(Problem(told, f"{begin} box of class {box.category}: the taxonomy does not have it."))
        elif isinstance(clipped, str):
            problems.append(Problem(told, f"{begin} box of class {box.category}: {clipped}"))
        else:
            labels.append(_label(box, class_of[box.category], clipped))
    return labels, problems


def _label(box: Box, class_id: int, bbox: list[float]) -> dict[str, Any]:
    label: dict[str, Any] = {"category": class_id, "bbox": bbox, "source": box.source}
    if box.confidence is not None:
        label["confidence"] = box.confidence
    if box.attributes:
        label["attributes"] = dict(box.attributes)
    return label


def _clip(bbox: tuple[float, float, float, float], width: int, height: int, slack: float) -> list[float] | str:
    """The box normalized, or what is wrong with it."""
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        return f"it has no area ({w:g} x {h:g})."
    if min(x, y) < -slack or x + w > width + slack or y + h > height + slack:
        place = f"{x:g}, {y:g}, {w:g} x {h:g}"
        unit = f"({place} px in {width} x {height})" if slack == SLACK_PIXELS else f"({place} as shares of it)"
        return f"it reaches outside the image {unit}."
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if right <= left or bottom <= top:
        return "it lies outside the image."
    return [left / width, top / height, (right - left) / width, (bottom - top) / height]
