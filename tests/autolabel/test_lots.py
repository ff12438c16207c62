"""The promise of a draw: every task of the queue is as likely to be in it, whether little or all of it is read."""

from __future__ import annotations

from collections import Counter

import pytest

from apps.accounts.models import Organization
from apps.autolabel import lots
from apps.labeling.models import Task
from apps.projects.models import Stage
from tests.labeling.factory import make_plant

TASKS, DRAWN, DRAWS = 400, 20, 600


@pytest.fixture
def stage(organization: Organization) -> Stage:
    """A queue with a gap, as earlier draws leave them, in which a few have arrived since."""
    plant = make_plant(organization, TASKS, "autolabel")
    ids = list(Task.objects.order_by("pk").values_list("pk", flat=True))
    for place, pk in enumerate(ids):
        share = place / TASKS
        beside = 0.3 * share if place % 2 else 0.5 + 0.5 * share
        Task.objects.filter(pk=pk).update(shuffle=beside if place % 10 else 0.3 + 0.2 * share)
    return plant.stage("ACTIVE_LEARNING")


@pytest.fixture(params=["cells", "whole"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of drawing; so small a queue is drawn from as a whole, unless one insists."""
    if request.param == "cells":
        monkeypatch.setattr(lots, "FEW", 0)
        monkeypatch.setattr(lots, "PROBES", (1.0,))
    return str(request.param)


def test_each_task_is_as_likely_to_be_drawn(stage: Stage, way: str) -> None:
    counts = Counter(pk for seed in range(DRAWS) for pk in lots.draw(stage, seed, DRAWN))
    expected = DRAWN * DRAWS / TASKS
    ids = list(Task.objects.order_by("pk").values_list("pk", flat=True))
    rare = sum(counts[pk] for pk in ids[::10]) / (TASKS / 10)
    assert abs(rare - expected) < 0.12 * expected, "Those in the gap, where few lie, are not favored."
    spread = sum((counts[pk] - expected) ** 2 / expected for pk in ids) / TASKS
    assert 0.7 < spread < 1.3, "The counts differ as those of independent draws do."


def test_a_draw_has_no_task_twice_and_none_that_is_left_out(stage: Stage, way: str) -> None:
    without = list(Task.objects.order_by("pk").values_list("pk", flat=True)[:200])
    found = lots.draw(stage, 7, DRAWN, without=without)
    assert len(found) == len(set(found)) == DRAWN and not set(found) & set(without)


def test_more_than_there_are_is_all_of_them(stage: Stage, way: str) -> None:
    assert sorted(lots.draw(stage, 7, 2 * TASKS)) == sorted(Task.objects.values_list("pk", flat=True))


def test_the_same_seed_draws_the_same(stage: Stage, way: str) -> None:
    assert lots.draw(stage, 7, DRAWN) == lots.draw(stage, 7, DRAWN) != lots.draw(stage, 8, DRAWN)
