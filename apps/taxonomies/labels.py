"""The label JSON: parse and check it, match two lists, count edits, speak the exchange form.

Boxes are `[x, y, w, h]`, normalized to the image as a browser shows it, origin at the top left.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from apps.common.texts import is_storable

GEOMETRIES = {"image_bbox": "bbox"}
SOURCES = ("human", "model", "import")
LIMIT = 10_000
# Clients compute x + w in floating point: what is outside by less than this is rounding, not a mistake.
SLACK = 1e-6

Label = TypedDict(
    "Label",
    {
        "id": str,
        "category": int,
        "bbox": list[float],
        "source": str,
        "from": NotRequired[str],
        "confidence": NotRequired[float],
        "attributes": NotRequired[dict[str, str | bool]],
    },
)


@dataclass(frozen=True, slots=True)
class LabelError:
    """What is wrong with one label; `position` counts from 0, None speaks of the whole list."""

    position: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.position is None else f"Label {self.position + 1}: {self.message}"


class LabelErrors(ValueError):
    """Every error of a list of labels at once; `message` says it in one sentence where there is one for all."""

    def __init__(self, errors: Sequence[LabelError], message: str = "") -> None:
        super().__init__(message or " ".join(str(error) for error in errors[:10]))
        self.message = message
        self.errors = list(errors)


def parse(raw: object, *, class_ids: Collection[int], geometry: str = "bbox") -> list[Label]:
    """The labels in `raw`, checked and in canonical form; raises LabelErrors with every position."""
    if not isinstance(raw, list):
        raise LabelErrors([LabelError(None, "Labels must be a list.")])
    if len(raw) > LIMIT:
        raise LabelErrors([LabelError(None, f"{len(raw)} labels, more than the {LIMIT} an image may have.")])
    labels: list[Label] = []
    errors: list[LabelError] = []
    seen: set[str] = set()
    for position, item in enumerate(raw):
        try:
            label = _label(item, class_ids, geometry)
        except ValueError as error:
            errors.append(LabelError(position, str(error)))
            continue
        if label["id"] in seen:
            errors.append(LabelError(position, f"its id {label['id']} is there twice."))
        seen.add(label["id"])
        labels.append(label)
    if errors:
        raise LabelErrors(errors)
    return labels


def _label(item: object, class_ids: Collection[int], geometry: str) -> Label:
    if not isinstance(item, dict):
        raise ValueError("must be an object.")
    present = [key for key in GEOMETRIES.values() if key in item]
    if present != [geometry]:
        raise ValueError(f"must have exactly one geometry, {geometry}.")
    category = item.get("category")
    if not isinstance(category, int) or isinstance(category, bool) or category not in class_ids:
        raise ValueError(f"class {category!r} is not in the taxonomy.")
    source = item.get("source", "human")
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, not {source!r}.")
    label: Label = {
        "id": _identifier(item.get("id"), "id") or str(uuid.uuid4()),
        "category": category,
        "bbox": bbox(item[geometry]),
        "source": source,
    }
    if origin := _identifier(item.get("from"), "from"):
        label["from"] = origin
    if (confidence := item.get("confidence")) is not None:
        label["confidence"] = _share(confidence, "confidence")
    if attributes := item.get("attributes"):
        label["attributes"] = _attributes(attributes)
    return label


def bbox(value: object) -> list[float]:
    """The box `[x, y, w, h]` in [0, 1], w and h above 0; raises ValueError saying what is wrong."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError("the box must be [x, y, w, h].")
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in value):
        raise ValueError("the box must consist of numbers.")
    try:
        x, y, w, h = (float(part) for part in value)
    except OverflowError as error:
        raise ValueError("the box has a part that is too large.") from error
    if not all(math.isfinite(part) for part in (x, y, w, h)):
        raise ValueError("the box has a part that is not a finite number.")
    if w <= 0 or h <= 0:
        raise ValueError("the box has no area.")
    if min(x, y) < -SLACK or x + w > 1 + SLACK or y + h > 1 + SLACK:
        raise ValueError("the box reaches outside the image.")
    x, y = max(x, 0.0), max(y, 0.0)
    w, h = min(w, 1 - x), min(h, 1 - y)
    if w <= 0 or h <= 0:
        raise ValueError("the box has no area.")
    return [x, y, w, h]


def _identifier(value: object, key: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= 36:
        raise ValueError(f"{key} must be a text of 1 to 36 characters.")
    if not is_storable(value):
        raise ValueError(f"{key} has characters that cannot be stored.")
    return value


def _share(value: object, key: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{key} must be a number from 0 to 1.")
    return float(value)


def _attributes(value: object) -> dict[str, str | bool]:
    if not isinstance(value, dict) or not all(
        isinstance(name, str) and len(name) <= 80 and isinstance(what, str | bool) for name, what in value.items()
    ):
        raise ValueError("attributes must map names to texts or booleans.")
    if not is_storable(value):
        raise ValueError("attributes have characters that cannot be stored.")
    return dict(value)


def iou_matrix(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
    """IoU of each box of `first` (n) with each of `second` (m): shape (n, m)."""
    a = np.array([label["bbox"] for label in first], dtype=np.float64).reshape(-1, 1, 4)
    b = np.array([label["bbox"] for label in second], dtype=np.float64).reshape(1, -1, 4)
    top_left = np.maximum(a[..., :2], b[..., :2])
    bottom_right = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=-1)
    union = a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-12))


def match(
    predicted: Sequence[Mapping[str, Any]], human: Sequence[Mapping[str, Any]], *, iou: float = 0.5
) -> list[tuple[int, int]]:
    """Pairs (index in `predicted`, index in `human`): greedy by confidence, one to one, same class, IoU ≥ `iou`."""
    if not predicted or not human:
        return []
    overlaps = iou_matrix(predicted, human)
    classes = np.array([label["category"] for label in predicted])[:, None]
    overlaps[classes != np.array([label["category"] for label in human])[None, :]] = -1.0
    scores = np.array([label.get("confidence", 1.0) for label in predicted])
    pairs: list[tuple[int, int]] = []
    for index in np.argsort(-scores, kind="stable"):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= iou:
            pairs.append((int(index), best))
            overlaps[:, best] = -1.0
    return pairs


def agreement(predicted: Sequence[Mapping[str, Any]], human: Sequence[Mapping[str, Any]], *, iou: float = 0.5) -> float:
    """F1 between a prediction and human labels; 1 when both are empty."""
    if not predicted and not human:
        return 1.0
    return 2 * len(match(predicted, human, iou=iou)) / (len(predicted) + len(human))


def undecided(labels: Sequence[Label], prelabels: Sequence[Mapping[str, Any]]) -> list[int]:
    """Positions of the labels that still are a pre-label itself: neither accepted, changed nor rejected."""
    frozen = {label["id"] for label in prelabels}
    return [
        position
        for position, label in enumerate(labels)
        if label["source"] == "model" and "from" not in label and label["id"] in frozen
    ]


def settle(labels: Sequence[Label], prelabels: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Labels a person submits as they are stored: human, each tied to the pre-label it came from, if it did.

    Where a label came from is told by `from` and the pre-labels the server froze, never by the client's word.
    """
    frozen = {label["id"]: label for label in prelabels}
    settled: list[Label] = []
    for label in labels:
        label = label.copy()
        label["source"] = "human"
        origin = frozen.get(label.get("from", ""))
        if origin is None:
            label.pop("from", None)
            label.pop("confidence", None)
        elif "confidence" in origin:
            label["confidence"] = origin["confidence"]
        settled.append(label)
    return settled


def edits(prelabels: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How `labels` differ from the pre-labels they began as.

    `moved_50` and `moved_70` count kept boxes whose IoU with the pre-label is below 0.5 and 0.7; of two labels
    that claim the same pre-label, the later one counts as added.
    """
    frozen = {label["id"]: label for label in prelabels}
    counts = dict.fromkeys(("prelabels", "boxes", "added", "deleted", "reclassed", "moved_50", "moved_70", "kept"), 0)
    counts["prelabels"], counts["boxes"] = len(prelabels), len(labels)
    for label in labels:
        origin = frozen.pop(label.get("from", ""), None)
        if origin is None:
            counts["added"] += 1
            continue
        overlap = float(iou_matrix([origin], [label])[0, 0])
        reclassed = origin["category"] != label["category"]
        counts["reclassed"] += reclassed
        counts["moved_50"] += overlap < 0.5
        counts["moved_70"] += overlap < 0.7
        counts["kept"] += not reclassed and overlap >= 1 - SLACK
    counts["deleted"] = len(frozen)
    return counts


def to_exchange(label: Mapping[str, Any], path_of: Callable[[int], list[str]]) -> dict[str, Any]:
    """The label in RedBrick's exchange form; `path_of` gives a class's path from the root, root included."""
    x, y, w, h = label["bbox"]
    exchange: dict[str, Any] = {
        "labelid": label["id"],
        "category": [path_of(label["category"])],
        "attributes": [{"name": name, "value": value} for name, value in label.get("attributes", {}).items()],
        "bbox2d": {"xnorm": x, "ynorm": y, "wnorm": w, "hnorm": h},
        "source": label["source"],
    }
    if "confidence" in label:
        exchange["confidence"] = label["confidence"]
    return exchange


def from_exchange(item: object, class_of: Callable[[list[str]], int | None]) -> dict[str, Any]:
    """A raw label for `parse` from RedBrick's exchange form; raises ValueError saying what is wrong."""
    if not isinstance(item, dict):
        raise ValueError("must be an object.")
    box = item.get("bbox2d")
    if not isinstance(box, dict):
        raise ValueError("must have bbox2d.")
    paths = item.get("category")
    if not isinstance(paths, list) or len(paths) != 1 or not isinstance(paths[0], list) or not paths[0]:
        raise ValueError('category must be a list of one path, like [["object", "car"]].')
    path = [str(part) for part in paths[0]]
    class_id = class_of(path)
    if class_id is None:
        raise ValueError(f"category {' / '.join(path)} is not in the taxonomy.")
    attributes = item.get("attributes") or []
    named = isinstance(attributes, list) and all(isinstance(each, dict) for each in attributes)
    if not named or not all(isinstance(each.get("name"), str) for each in attributes):
        raise ValueError("attributes must be a list of names and values.")
    raw = {
        "id": item.get("labelid"),
        "category": class_id,
        "bbox": [box.get(key) for key in ("xnorm", "ynorm", "wnorm", "hnorm")],
        "source": item.get("source", "import"),
        "attributes": {each["name"]: each.get("value") for each in attributes},
    }
    if item.get("confidence") is not None:
        raw["confidence"] = item["confidence"]
    return raw
