"""Promises of the oracle: it does what a careful labeler would, and counts it."""

from __future__ import annotations

import random
from typing import Any

from apps.autolabel.oracle import Work, correct, swayed
from apps.taxonomies import labels as label_json


def box(category: int, x: float, y: float, w: float = 0.2, h: float = 0.2, **more: Any) -> dict[str, Any]:
    return {"id": more.pop("id", f"{category}-{x}-{y}"), "category": category, "bbox": [x, y, w, h], **more}


def test_from_scratch_everything_is_added() -> None:
    labels, work = correct([], [box(0, 0.1, 0.1), box(1, 0.5, 0.5)], 0.7)
    assert work == Work(boxes=2, added=2)
    assert all("from" not in label for label in labels)


def test_a_good_pre_label_stays_as_it_is() -> None:
    shown, truth = box(0, 0.11, 0.1, id="p", confidence=0.9), box(0, 0.1, 0.1)
    labels, work = correct([shown], [truth], 0.7)
    assert work == Work(boxes=1)
    assert labels[0]["bbox"] == shown["bbox"] and labels[0]["from"] == "p"


def test_a_loose_pre_label_is_moved() -> None:
    shown, truth = box(0, 0.15, 0.1, id="p"), box(0, 0.1, 0.1)
    labels, work = correct([shown], [truth], 0.7)
    assert work == Work(boxes=1, moved=1)
    assert labels[0]["bbox"] == truth["bbox"] and labels[0]["from"] == "p"


def test_the_tolerance_decides_what_is_loose() -> None:
    assert correct([box(0, 0.13, 0.1)], [box(0, 0.1, 0.1)], 0.7)[1].moved == 0
    assert correct([box(0, 0.13, 0.1)], [box(0, 0.1, 0.1)], 0.9)[1].moved == 1


def test_a_pre_label_of_another_class_is_reclassed() -> None:
    labels, work = correct([box(1, 0.1, 0.1, id="p")], [box(0, 0.1, 0.1)], 0.7)
    assert work == Work(boxes=1, reclassed=1)
    assert labels[0]["category"] == 0 and labels[0]["from"] == "p"


def test_what_is_nothing_is_deleted() -> None:
    labels, work = correct([box(0, 0.7, 0.7)], [], 0.7)
    assert labels == [] and work == Work(deleted=1)


def test_the_right_class_is_preferred_to_a_closer_box_of_another() -> None:
    shown = [box(1, 0.1, 0.1, id="wrong"), box(0, 0.14, 0.1, id="right")]
    labels, work = correct(shown, [box(0, 0.1, 0.1)], 0.5)
    assert labels[0]["from"] == "right" and work == Work(boxes=1, deleted=1)


def test_the_server_counts_the_same_edits() -> None:
    shown = [box(0, 0.11, 0.1, id="a"), box(0, 0.55, 0.5, id="b"), box(1, 0.1, 0.6, id="c"), box(1, 0.8, 0.8, id="d")]
    truth = [box(0, 0.1, 0.1), box(0, 0.5, 0.5), box(0, 0.1, 0.6), box(1, 0.5, 0.1)]
    labels, work = correct(shown, truth, 0.7)
    counted = label_json.edits(shown, labels)
    assert (work.added, work.deleted, work.reclassed) == (counted["added"], counted["deleted"], counted["reclassed"])
    assert work == Work(boxes=4, added=1, deleted=1, moved=1, reclassed=1)


def test_a_swayed_oracle_believes_what_is_nothing_and_overlooks_what_is_not_shown() -> None:
    right, wrong, hidden = box(0, 0.1, 0.1), box(1, 0.8, 0.8, id="wrong"), box(0, 0.5, 0.5)
    always = swayed([box(1, 0.11, 0.1, id="p"), wrong], [right, hidden], 1.0, random.Random(0))
    assert always == [right, wrong]
    assert swayed([wrong], [right, hidden], 0.0, random.Random(0)) == [right, hidden]


def test_a_blind_oracle_cannot_be_swayed() -> None:
    truth = [box(0, 0.1, 0.1), box(1, 0.5, 0.5)]
    assert swayed([], truth, 1.0, random.Random(0)) == truth
