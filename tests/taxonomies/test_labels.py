"""Promises of the label JSON."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.taxonomies import labels


def box(x, y, w, h, category=0, **more):
    return {"id": more.pop("id", f"{x}-{y}-{w}-{h}-{category}"), "category": category, "bbox": [x, y, w, h], **more}


def test_a_label_is_kept_as_it_was_given():
    raw = [{"id": "a", "category": 2, "bbox": [0.1, 0.2, 0.3, 0.4], "source": "model", "confidence": 0.5, "from": "p"}]
    assert labels.parse(raw, class_ids={2}) == raw


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [0.1, 0.1, 0, 0.1]}, "no area"),
        ({"bbox": [0.1, 0.1, -0.1, 0.1]}, "no area"),
        ({"bbox": [math.nan, 0.1, 0.1, 0.1]}, "finite"),
        ({"bbox": [0.1, 0.1, math.inf, 0.1]}, "finite"),
        ({"bbox": [0.1, 10**400, 0.1, 0.1]}, "too large"),
        ({"bbox": [0.9, 0.1, 0.2, 0.1]}, "outside"),
        ({"bbox": [0.1, 0.1, 0.1]}, r"\[x, y, w, h\]"),
        ({"bbox": ["a", 0, 1, 1]}, "numbers"),
        ({"category": 7}, "not in the taxonomy"),
        ({"category": True}, "not in the taxonomy"),
        ({"source": "magic"}, "source"),
        ({"confidence": 1.5}, "confidence"),
        ({"id": 5}, "id"),
        ({"attributes": [1]}, "attributes"),
    ],
)
def test_a_bad_label_is_refused_with_its_position_and_reason(change, reason):
    good = {"category": 0, "bbox": [0.1, 0.1, 0.1, 0.1]}
    with pytest.raises(labels.LabelErrors, match=reason) as caught:
        labels.parse([good, {**good, **change}], class_ids={0, 1})
    assert [error.position for error in caught.value.errors] == [1]


def test_every_bad_label_is_named_at_once():
    with pytest.raises(labels.LabelErrors) as caught:
        labels.parse([None, {"category": 0}, {"category": 0, "bbox": [0, 0, 1, 1]}], class_ids={0})
    assert [error.position for error in caught.value.errors] == [0, 1]


def test_the_same_id_twice_is_refused():
    with pytest.raises(labels.LabelErrors, match="twice"):
        labels.parse([box(0, 0, 0.5, 0.5, id="a"), box(0, 0, 0.4, 0.4, id="a")], class_ids={0})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda kids: (
            st.lists(kids)
            | st.dictionaries(
                st.sampled_from(["id", "category", "bbox", "source", "from", "confidence", "attributes"]), kids
            )
        ),
    )
)
def test_whatever_comes_is_parsed_or_refused_with_a_reason(raw):
    try:
        parsed = labels.parse(raw, class_ids=range(3))
    except labels.LabelErrors as refused:
        assert all(error.message for error in refused.errors)
    else:
        assert labels.parse(parsed, class_ids=range(3)) == parsed


unit = st.floats(0, 0.9)
side = st.floats(0.01, 0.1)
boxes = st.lists(st.builds(box, unit, unit, side, side, st.integers(0, 1)), max_size=8)


@given(boxes, boxes)
def test_agreement_lies_between_0_and_1_and_a_match_is_one_to_one(first, second):
    pairs = labels.match(first, second)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert 0 <= labels.agreement(first, second) <= 1
    assert labels.agreement(first, first) == 1


def test_agreement_is_f1_and_1_when_both_are_empty():
    first, second = box(0.1, 0.1, 0.2, 0.2), box(0.5, 0.5, 0.2, 0.2)
    assert labels.agreement([], []) == 1
    assert labels.agreement([first], []) == 0
    assert labels.agreement([first, second], [first]) == pytest.approx(2 / 3)


def test_another_class_never_matches():
    assert labels.match([box(0, 0, 0.5, 0.5, 0)], [box(0, 0, 0.5, 0.5, 1)]) == []


def test_the_surest_prediction_takes_the_box():
    human = [box(0.1, 0.1, 0.2, 0.2)]
    unsure = box(0.1, 0.1, 0.2, 0.2, confidence=0.3)
    sure = box(0.1, 0.1, 0.2, 0.19, confidence=0.9)
    assert labels.match([unsure, sure], human) == [(1, 0)]


def test_edits_are_told_apart_by_from_and_not_by_looks():
    pre = [box(0.1, 0.1, 0.2, 0.2, id="p1"), box(0.5, 0.5, 0.2, 0.2, id="p2"), box(0.7, 0.1, 0.2, 0.2, id="p3")]
    kept = {**pre[0], "id": "a", "from": "p1"}
    moved = {**box(0.55, 0.5, 0.2, 0.2, id="b"), "from": "p2"}
    added = box(0.3, 0.3, 0.1, 0.1, id="c")
    assert labels.edits(pre, [kept, moved, added]) == {
        "prelabels": 3, "boxes": 3, "added": 1, "deleted": 1, "reclassed": 0, "moved_50": 0, "moved_70": 1, "kept": 1,
    }  # fmt: skip


def test_two_labels_from_one_prelabel_are_one_kept_and_one_added():
    pre = [box(0.1, 0.1, 0.2, 0.2, id="p")]
    twice = [{**pre[0], "id": "a", "from": "p"}, {**pre[0], "id": "b", "from": "p"}]
    assert labels.edits(pre, twice)["added"] == 1


def test_a_client_cannot_claim_a_prelabel_that_was_never_shown():
    submitted = labels.parse(
        [{**box(0, 0, 0.5, 0.5), "from": "forged", "source": "model", "confidence": 1}], class_ids={0}
    )
    settled = labels.settle(submitted, [])
    assert settled[0]["source"] == "human"
    assert "from" not in settled[0]
    assert "confidence" not in settled[0]


def test_the_exchange_form_round_trips():
    raw = [{"id": "a", "category": 1, "bbox": [0.1, 0.2, 0.3, 0.4], "source": "model", "confidence": 0.5,
            "attributes": {"occluded": True}}]  # fmt: skip
    exchanged = [labels.to_exchange(label, lambda class_id: ["object", "car"]) for label in raw]
    assert exchanged[0]["bbox2d"] == {"xnorm": 0.1, "ynorm": 0.2, "wnorm": 0.3, "hnorm": 0.4}
    back = [labels.from_exchange(item, lambda path: 1) for item in exchanged]
    assert labels.parse(back, class_ids={1}) == raw


def test_an_unknown_category_in_the_exchange_form_is_named():
    with pytest.raises(ValueError, match="object / tram"):
        labels.from_exchange({"bbox2d": {}, "category": [["object", "tram"]]}, lambda path: None)
    odd = {"bbox2d": {}, "category": [["object", "car"]], "attributes": [{"name": ["a"], "value": 1}]}
    with pytest.raises(ValueError, match="names and values"):
        labels.from_exchange(odd, lambda path: 1)


def test_iou_of_a_box_with_itself_is_1_and_with_a_stranger_0():
    first, second = box(0.1, 0.1, 0.2, 0.2), box(0.5, 0.5, 0.2, 0.2)
    assert np.allclose(labels.iou_matrix([first, second], [first, second]), np.eye(2))
