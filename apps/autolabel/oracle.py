"""A labeler that knows the truth: corrects pre-labels as a careful person would and counts what it did."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.taxonomies import labels as label_json

OVERLAP = 0.5
"""From this IoU on, a pre-label is taken over rather than deleted and drawn anew."""


@dataclass(frozen=True, slots=True)
class Work:
    """What it took to label images: so many of `boxes` were added, so many pre-labels deleted, moved, re-classed."""

    boxes: int = 0
    added: int = 0
    deleted: int = 0
    moved: int = 0
    reclassed: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.boxes + other.boxes,
            self.added + other.added,
            self.deleted + other.deleted,
            self.moved + other.moved,
            self.reclassed + other.reclassed,
        )


def swayed(
    prelabels: Sequence[Mapping[str, Any]], truth: Sequence[Mapping[str, Any]], share: float, dice: random.Random
) -> list[Mapping[str, Any]]:
    """The truth as somebody sees it who leans on what is shown.

    A pre-label that is nothing is believed, and an object without a pre-label overlooked, this share of times. Where
    nothing is shown there is nothing to lean on.
    """
    if not prelabels:
        return list(truth)
    pairs = _match_any_class(prelabels, truth, [])
    true, found = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    seen = [label for index, label in enumerate(truth) if index in found or dice.random() >= share]
    believed = [label for index, label in enumerate(prelabels) if index not in true and dice.random() < share]
    return [*seen, *believed]


def correct(
    prelabels: Sequence[Mapping[str, Any]], truth: Sequence[Mapping[str, Any]], tolerance: float
) -> tuple[list[dict[str, Any]], Work]:
    """The labels the oracle submits, and its work.

    A pre-label of the right class stays as it is at IoU ≥ tolerance and is moved from 0.5; one of another class is
    re-classed from 0.5, and moved too where it is off; the rest is deleted, and what is missing is added.
    """
    same = label_json.match(prelabels, truth, iou=OVERLAP)
    others = _match_any_class(prelabels, truth, same)
    origin = {true: predicted for predicted, true in [*same, *others]}
    overlaps = label_json.iou_matrix(prelabels, truth)
    labels: list[dict[str, Any]] = []
    moved = 0
    for index, label in enumerate(truth):
        said = {"id": f"o{index}", "category": label["category"], "bbox": label["bbox"], "source": "human"}
        if index in origin:
            prelabel = prelabels[origin[index]]
            said["from"] = prelabel["id"]
            if overlaps[origin[index], index] >= tolerance:
                said["bbox"] = prelabel["bbox"]
            else:
                moved += 1
        labels.append(said)
    work = Work(
        boxes=len(truth),
        added=len(truth) - len(origin),
        deleted=len(prelabels) - len(origin),
        moved=moved,
        reclassed=len(others),
    )
    return labels, work


def _match_any_class(
    prelabels: Sequence[Mapping[str, Any]], truth: Sequence[Mapping[str, Any]], taken: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Pairs among what is left, whatever the classes."""
    used, found = {pair[0] for pair in taken}, {pair[1] for pair in taken}
    left = [index for index in range(len(prelabels)) if index not in used]
    wanted = [index for index in range(len(truth)) if index not in found]
    pairs = label_json.match(
        [{**prelabels[index], "category": 0} for index in left],
        [{**truth[index], "category": 0} for index in wanted],
        iou=OVERLAP,
    )
    return [(left[a], wanted[b]) for a, b in pairs]
