"""Promises of the figures."""

from __future__ import annotations

import numpy as np
import pytest

from apps.autolabel.quality import Bin, Scored, levels, lowest_for, measure, measure_at, savings


def test_nothing_measured_is_nothing_said() -> None:
    found = measure([])
    assert (found.n, found.mean, found.low, found.high) == (0, None, None, None)
    assert not found.is_enough


def test_ten_images_that_all_agree_still_leave_doubt() -> None:
    found = measure([1.0] * 10)
    assert found.mean == 1.0 and found.high == 1.0
    assert found.low is not None and found.low < 0.9
    assert found.is_enough


def test_the_interval_narrows_with_more_images() -> None:
    few, many = measure([0.9, 0.7] * 10), measure([0.9, 0.7] * 100)
    assert few.low is not None and many.low is not None and few.high is not None and many.high is not None
    assert many.high - many.low < (few.high - few.low) / 2


@pytest.mark.parametrize("n", [10, 20, 50])
@pytest.mark.parametrize("shape", ["spread", "all or nothing", "mostly perfect"])
def test_the_interval_covers_the_truth_nine_times_of_ten(n: int, shape: str) -> None:
    rng = np.random.default_rng(3)
    makers = {
        "spread": lambda size: rng.beta(8, 2, size),
        "all or nothing": lambda size: (rng.random(size) < 0.7).astype(float),
        "mostly perfect": lambda size: np.where(rng.random(size) < 0.8, 1.0, rng.random(size)),
    }
    truth = makers[shape](200_000).mean()
    found = [measure(row) for row in makers[shape]((2000, n)).tolist()]
    assert np.mean([(each.low or 0) <= truth <= (each.high or 0) for each in found]) >= 0.9


def test_agreement_at_a_threshold_leaves_out_what_is_below() -> None:
    scored = [Scored(0.2, 0.0), Scored(0.9, 1.0), Scored(0.95, 0.8)]
    assert measure_at(scored, 0.9).n == 2
    assert measure_at(scored, 0.9).mean == pytest.approx(0.9)
    assert measure_at(scored, 0.0).mean == pytest.approx(0.6)


def test_levels_say_how_much_leaves_and_how_good_it_is() -> None:
    found = levels([Bin(95, 30, 28.8), Bin(50, 10, 5.2)], queue=50)
    assert len(found) == 101
    assert (found[0].count, found[0].share) == (40, 0.8)
    assert found[0].expected == pytest.approx(34 / 40)
    assert (found[95].count, found[95].expected) == (30, pytest.approx(0.96))
    assert (found[96].count, found[96].expected) == (0, None)
    level = lowest_for(found, 0.95)
    assert level is not None and level.threshold == 0.51 and level.count == 30


def test_a_confidence_of_one_is_in_every_level() -> None:
    assert levels([Bin(100, 4, 4.0)], queue=4)[100].count == 4


def test_savings_speak_of_images_boxes_and_hours() -> None:
    found = savings(labeled=200, total=1000, drawn=100, boxes=400, seconds=36.0)
    assert (found.images, found.image_share, found.box_share, found.hours) == (800, 0.8, 0.75, 8.0)
    assert savings(labeled=0, total=0, drawn=0, boxes=0, seconds=None).box_share is None
