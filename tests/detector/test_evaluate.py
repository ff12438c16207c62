"""Average precision at known points."""

import numpy as np
import pytest

from apps.detector.evaluate import average_precision
from apps.detector.types import Raw, Truth

TRUTH = Truth(np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.2, 0.2]]), np.array([4, 9]))


def raw(boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> Raw:
    return Raw(0, boxes, classes, scores, np.ones(len(boxes), dtype=bool), np.zeros(2))


def test_the_truth_itself_scores_one() -> None:
    result = average_precision([raw(TRUTH.boxes, TRUTH.classes, np.array([0.9, 0.8]))], [TRUTH], (4, 9, 11))
    assert result["ap"] == pytest.approx(1)
    assert result["ap50"] == pytest.approx(1)
    assert result["per_class"] == {4: pytest.approx(1), 9: pytest.approx(1), 11: None}


def test_a_shifted_box_counts_at_half_overlap_only() -> None:
    moved = TRUTH.boxes + np.array([0.04, 0.0, 0.0, 0.0])
    result = average_precision([raw(moved, TRUTH.classes, np.ones(2))], [TRUTH], (4, 9))
    assert result["ap50"] == pytest.approx(1)
    assert result["ap"] < 0.8


def test_a_wrong_class_scores_nothing() -> None:
    assert average_precision([raw(TRUTH.boxes, TRUTH.classes[::-1], np.ones(2))], [TRUTH], (4, 9))["ap50"] == 0


def test_suppressed_candidates_do_not_count() -> None:
    doubled = Raw(
        0,
        np.repeat(TRUTH.boxes, 2, axis=0),
        np.repeat(TRUTH.classes, 2),
        np.array([0.5, 0.9, 0.5, 0.9]),
        np.array([True, False, True, False]),
        np.zeros(2),
    )
    assert average_precision([doubled], [TRUTH], (4, 9))["ap50"] == pytest.approx(1)


def test_nothing_predicted_is_zero_and_nothing_true_is_unknown() -> None:
    nothing = raw(np.zeros((0, 4)), np.zeros(0, dtype=int), np.zeros(0))
    assert average_precision([nothing], [TRUTH], (4, 9))["ap50"] == 0
    assert average_precision([nothing], [Truth(np.zeros((0, 4)), np.zeros(0, dtype=int))], (4, 9))["ap50"] is None
