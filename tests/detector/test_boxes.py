"""Boxes: overlap, suppression, matching, agreement, at their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from apps.detector.boxes import agreement, iou_xywh, match, nms, xywh_to_xyxy, xyxy_to_xywh

NO_BOXES, NO_CLASSES = np.zeros((0, 4)), np.zeros(0, dtype=int)
shares = arrays(np.float64, (6, 4), elements=st.floats(0.01, 1))


@given(shares)
def test_a_box_survives_the_change_of_format(boxes: np.ndarray) -> None:
    assert np.allclose(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes)


@given(shares, shares)
def test_iou_is_symmetric_and_at_most_one(first: np.ndarray, second: np.ndarray) -> None:
    overlaps = iou_xywh(first, second)
    assert np.allclose(overlaps, iou_xywh(second, first).T)
    assert ((overlaps >= 0) & (overlaps <= 1 + 1e-9)).all()
    assert np.allclose(np.diag(iou_xywh(first, first)), 1)


def test_a_box_without_area_overlaps_nothing() -> None:
    assert iou_xywh(np.array([[0.2, 0.2, 0.0, 0.3]]), np.array([[0.2, 0.2, 0.0, 0.3]])) == 0


def test_nms_suppresses_within_a_class_only() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.95], [0, 0, 1, 0.9]], dtype=float)
    kept = nms(boxes, np.array([0.5, 0.9, 0.7]), np.array([1, 1, 2]), 0.6)
    assert kept.tolist() == [False, True, True]


def test_a_suppressed_box_suppresses_nobody() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.3, 0, 1.3, 1], [0.6, 0, 1.6, 1]], dtype=float)
    kept = nms(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, dtype=int), 0.5)
    assert kept.tolist() == [True, False, True]


def test_nms_of_nothing_is_nothing() -> None:
    assert nms(NO_BOXES, np.zeros(0), NO_CLASSES, 0.6).tolist() == []


def test_the_higher_score_takes_the_truth() -> None:
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]])
    found = match(boxes, np.array([1, 1]), np.array([0.2, 0.8]), boxes[:1], np.array([1]))
    assert found.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("boxes", "classes", "expected"),
    [(NO_BOXES, NO_CLASSES, 0.0), ([[0, 0, 0.5, 0.5]], [1], 1.0), ([[0, 0, 0.5, 0.5]], [2], 0.0),
     ([[0, 0, 0.5, 0.5], [0.6, 0.6, 0.1, 0.1]], [1, 1], 2 / 3)],
)  # fmt: skip
def test_agreement_is_the_f1_of_the_image(boxes: object, classes: object, expected: float) -> None:
    boxes, classes = np.array(boxes, dtype=float).reshape(-1, 4), np.array(classes, dtype=int)
    truth = np.array([[0, 0, 0.5, 0.5]])
    assert agreement(boxes, classes, np.ones(len(boxes)), truth, np.array([1])) == pytest.approx(expected)


def test_agreement_is_one_where_both_are_empty() -> None:
    assert agreement(NO_BOXES, NO_CLASSES, np.zeros(0), NO_BOXES, NO_CLASSES) == 1.0
