"""Confidence: the formula at known points, against brute force, and honest on a world whose truth is known."""

import itertools

import numpy as np
import pytest

from apps.detector.calibrate import (
    Calibration,
    calibration_error,
    cross_fitted,
    expected_agreement,
    fit,
)
from apps.detector.curves import Logistic, fit_isotonic, fit_logistic
from apps.detector.types import Raw, Truth

NONE = np.zeros(0)


def test_no_box_and_one_unlikely_candidate_is_almost_certain() -> None:
    assert expected_agreement(NONE, np.array([0.02]), 0.0) > 0.95


def test_one_box_at_a_half_gives_a_half() -> None:
    assert expected_agreement(np.array([0.5]), NONE, 0.0) == pytest.approx(0.5)


def test_nothing_predicted_and_nothing_possible_is_certain() -> None:
    assert expected_agreement(NONE, NONE, 0.0) == pytest.approx(1.0)


def test_the_double_sum_equals_the_sum_over_all_worlds() -> None:
    p, q = np.array([0.9, 0.6, 0.2]), np.array([0.3, 0.05])
    total = 0.0
    for world in itertools.product((0, 1), repeat=5):
        chance = np.prod([share if on else 1 - share for on, share in zip(world, [*p, *q], strict=True)])
        hits, missed = sum(world[:3]), sum(world[3:])
        total += float(chance) * 2 * hits / (3 + hits + missed)
    assert expected_agreement(p, q, 0.0) == pytest.approx(total)


def test_unseen_objects_lower_the_expectation() -> None:
    values = [expected_agreement(np.array([0.9, 0.9]), NONE, lam) for lam in (0.0, 0.5, 2.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[2]


def world(images: int, seed: int, boxes: int = 12, flattery: float = 1.0) -> tuple[list[Raw], list[Truth]]:
    """Detections that are right as often as sigmoid(logit(score) * flattery) says; empty images now and then."""
    random = np.random.default_rng(seed)
    raws, truths = [], []
    for key in range(images):
        count = int(random.integers(0, boxes))
        places = np.linspace(0, 0.9, max(count, 1))[:count]
        found = np.stack([places, places, np.full(count, 0.04), np.full(count, 0.04)], 1).reshape(-1, 4)
        scores = np.sort(random.beta(1.2, 0.8, count))[::-1]
        right = random.random(count) < Logistic(flattery, 0.0)(scores)
        raws.append(Raw(key, found, np.zeros(count, dtype=int), scores, np.ones(count, dtype=bool), np.zeros(4)))
        truths.append(Truth(found[right], np.zeros(int(right.sum()), dtype=int)))
    return raws, truths


def test_below_five_images_or_fifty_boxes_the_prior_speaks_and_says_how_many_are_missing() -> None:
    raws, truths = world(4, 0)
    few = fit(raws, truths)
    assert not few.calibrated
    assert few.missing >= 1
    empty = [Truth(np.zeros((0, 4)), np.zeros(0, dtype=int))] * 4
    assert not fit(raws, empty).calibrated
    assert fit([], []).missing == 5


@pytest.mark.parametrize(("images", "flattery"), [(30, 1.0), (30, 0.5), (400, 0.5)])
def test_confidence_means_what_it_says_on_images_never_seen(images: int, flattery: float) -> None:
    calibration = fit(*world(images, 1, flattery=flattery))
    assert calibration.calibrated
    raws, truths = world(2000, 2, flattery=flattery)
    predicted = [calibration.apply(raw) for raw in raws]
    confidence = np.array([each.confidence for each in predicted])
    reached = np.array([_agreement(each, truth) for each, truth in zip(predicted, truths, strict=True)])
    assert abs(confidence.mean() - reached.mean()) < 0.04
    assert calibration_error(confidence, reached) < 0.05


def _agreement(predicted: object, truth: Truth) -> float:
    hits = len(np.intersect1d(predicted.boxes[:, 0], truth.boxes[:, 0]))
    total = len(predicted.boxes) + len(truth.boxes)
    return 2 * hits / total if total else 1.0


def test_only_empty_images_held_out_leave_the_prior_in_place() -> None:
    raws, truths = world(20, 3)
    nothing = [Truth(np.zeros((0, 4)), np.zeros(0, dtype=int)) for _ in truths]
    calibration = fit(raws, nothing)
    assert not calibration.calibrated
    assert calibration.missing > 0
    assert 0 <= calibration.apply(raws[0]).confidence <= 1


def test_few_boxes_on_many_empty_images_already_move_the_prior() -> None:
    raws, truths = world(12, 6, boxes=2)
    empty = [index for index, truth in enumerate(truths) if not len(truth.boxes)]
    calibration = fit(raws, truths)
    assert not calibration.calibrated and calibration.missing > 0 and len(empty) > 2
    sure = [calibration.apply(raws[index]).confidence for index in empty if not len(raws[index].boxes)]
    prior = [Calibration().apply(raws[index]).confidence for index in empty if not len(raws[index].boxes)]
    assert min(sure) > max(prior)


def test_cross_fitted_predictions_come_back_in_order_and_are_not_fitted_to_themselves() -> None:
    raws, truths = world(40, 4, flattery=0.4)
    predicted = cross_fitted(raws, truths)
    assert [each.key for each in predicted] == [raw.key for raw in raws]
    whole = fit(raws, truths)
    assert any(a.confidence != whole.apply(r).confidence for a, r in zip(predicted, raws, strict=True))


def test_a_calibration_survives_json() -> None:
    for images in (3, 30, 400):
        raws, truths = world(images, 5)
        calibration = fit(raws, truths)
        again = Calibration.from_json(calibration.to_json())
        assert again == calibration
        assert again.apply(raws[0]).confidence == calibration.apply(raws[0]).confidence


def test_calibration_error_is_zero_where_every_bin_agrees() -> None:
    assert calibration_error(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0.1, 0.3, 0.8, 1.0]), bins=2) == pytest.approx(0)
    assert calibration_error(np.full(10, 0.9), np.full(10, 0.4)) == pytest.approx(0.5)
    assert calibration_error(NONE, NONE) == 0


def test_few_answers_stay_near_the_prior_and_many_leave_it() -> None:
    prior, scores = Logistic(1.0, 0.0), np.full(2000, 0.5)
    few = fit_logistic(scores[:3], np.ones(3), prior)
    many = fit_logistic(scores, np.ones(2000), prior)
    assert 0.5 < float(few(np.array([0.5]))[0]) < 0.85
    assert float(many(np.array([0.5]))[0]) > 0.95


def test_an_isotonic_curve_never_falls() -> None:
    random = np.random.default_rng(0)
    scores = random.random(500)
    curve = fit_isotonic(scores, (random.random(500) < scores**2).astype(float))
    values = curve(np.linspace(0, 1, 101))
    assert (np.diff(values) >= 0).all()
    assert np.abs(values - np.linspace(0, 1, 101) ** 2).mean() < 0.08


def test_rows_of_one_score_are_worth_their_mean() -> None:
    random = np.random.default_rng(0)
    scores = np.concatenate([np.linspace(0.2, 0.6, 200), np.ones(200)])
    hits = np.concatenate([np.full(200, 0.3), random.random(200) < 0.7]).astype(float)
    assert float(fit_isotonic(scores, hits)(np.ones(1))[0]) == pytest.approx(hits[200:].mean(), abs=0.01)


def test_what_is_as_right_as_the_best_is_not_cut_away() -> None:
    scores = np.linspace(0.35, 0.95, 400)
    assert fit_isotonic(scores, np.ones(400)).reaches(0.5) == 0.35
    cut = fit_isotonic(np.concatenate([[0.2], scores]), np.concatenate([[0.0], np.ones(400)])).reaches(0.5)
    assert 0.2 < cut <= 0.35


def test_a_thousand_unseen_objects_in_an_image_still_have_an_expectation() -> None:
    found = expected_agreement(np.full(300, 0.9), NONE, 1000.0)
    assert 0 < found < 1
