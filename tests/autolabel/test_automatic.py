"""Promises of automatic mode."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.accounts.models import Organization, User
from apps.autolabel import automatic, services
from apps.autolabel.models import Cycle, Learner
from apps.labeling.models import Batch, Task
from tests.autolabel.loop import Loop, make_loop
from tests.labeling.test_selection import at_once


@pytest.fixture
def automatic_loop(loop: Loop) -> Loop:
    stage = loop.stage()
    stage.config |= {"automatic": True, "keep_stocked": 8, "train_after": 12}
    stage.save(update_fields=["config"])
    return loop


def test_it_is_off_by_default(loop: Loop) -> None:
    automatic.decide_all()
    assert not Batch.objects.exists()


def test_it_keeps_the_labeling_stage_stocked(automatic_loop: Loop) -> None:
    automatic.decide_all()
    assert automatic_loop.count("LABEL", "waiting") == 8
    automatic_loop.label(3)
    automatic.decide_all()
    automatic.decide_all()
    assert automatic_loop.count("LABEL", "waiting") == 8
    assert sorted(Batch.objects.values_list("size", flat=True)) == [3, 8]
    assert "5 of 8 tasks were ready" in Learner.objects.get().last_decision


def test_it_trains_after_enough_new_labels(automatic_loop: Loop) -> None:
    automatic_loop.send(30)
    automatic_loop.label(11)
    automatic.decide_all()
    assert not Cycle.objects.exists()
    automatic_loop.label(10)
    automatic.decide_all()
    automatic.decide_all()
    assert Cycle.objects.count() == 1
    assert "Triggered cycle 1 after 21 new labels." in Learner.objects.get().last_decision


def test_a_cycle_that_was_canceled_is_not_begun_again_before_more_is_labeled(automatic_loop: Loop) -> None:
    automatic_loop.send(40)
    automatic_loop.label(20)
    automatic.decide_all()
    services.cancel(automatic_loop.stage(), by=None)
    automatic.decide_all()
    automatic_loop.label(11)
    automatic.decide_all()
    assert Cycle.objects.count() == 1
    automatic_loop.label(1)
    automatic.decide_all()
    assert Cycle.objects.count() == 2


def test_it_waits_for_a_running_flush(automatic_loop: Loop) -> None:
    automatic_loop.send(30)
    automatic_loop.label(25)
    services.flush(automatic_loop.stage(), by=None)
    automatic.decide_all()
    assert not Cycle.objects.exists()


def test_an_archived_project_is_left_alone(automatic_loop: Loop) -> None:
    automatic_loop.project.status = "archived"
    automatic_loop.project.save(update_fields=["status"])
    automatic.decide_all()
    assert not Batch.objects.exists()


def test_what_is_wrong_in_one_stage_keeps_no_other_from_its_turn(
    automatic_loop: Loop, stranger: User, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = make_loop(Organization.objects.get(memberships__user=stranger), stranger, images=4)
    stage, other = automatic_loop.stage(), elsewhere.stage()
    other.config |= {"automatic": True, "keep_stocked": 2}
    other.save(update_fields=["config"])
    stage.config |= {"keep_stocked": None}
    stage.save(update_fields=["config"])
    automatic.decide_all()
    assert "Automatic mode failed in Loop / ACTIVE_LEARNING" in caplog.text and "TypeError" in caplog.text
    assert Learner.objects.get(stage=stage).last_decision == automatic.FAILED, "and the stage's page says so"
    assert elsewhere.count("LABEL", "waiting") == 2


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_at_once_send_and_trigger_once(automatic_loop: Loop) -> None:
    stage = automatic_loop.stage()
    at_once(*[lambda: automatic.decide(stage)] * 4)
    assert automatic_loop.count("LABEL", "waiting") == 8 and Batch.objects.count() == 1
    automatic_loop.send(20)
    automatic_loop.label(24)
    at_once(*[lambda: automatic.decide(stage)] * 4)
    assert Cycle.objects.count() == 1


def test_topping_up_a_little_at_a_time_draws_audits_as_one_batch_would(automatic_loop: Loop) -> None:
    stage = automatic_loop.stage()
    cycle = Cycle.objects.create(stage=stage, number=1, ended_at=timezone.now())
    Learner.objects.update_or_create(stage=stage, defaults={"current": cycle})
    for _ in range(20):
        automatic.decide_all()
        automatic_loop.label(1, labels=[])
    assert Task.objects.filter(is_audit=True).count() == 3
    assert Task.objects.exclude(batch=None).count() > 20
