"""Promises of the stage's actions, before and around cycles."""

from __future__ import annotations

import uuid
from threading import Thread

import pytest
from django.db import connection, transaction

from apps.autolabel import acceptance, queue, services, state
from apps.autolabel.models import Cycle, Learner, StageRun
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.labeling import transitions
from apps.labeling.models import Batch, Task
from apps.projects.services import archive
from tests.autolabel.loop import Loop


def test_before_the_first_cycle_a_batch_follows_the_shuffle_and_a_fifth_is_held_out(loop: Loop) -> None:
    expected = list(Task.objects.order_by("shuffle").values_list("pk", flat=True)[:10])
    batch = loop.send(10)
    sent = list(Task.objects.filter(batch=batch).order_by("position").values_list("pk", flat=True))
    assert sent == expected
    assert batch.size == 10 and batch.audits == 0
    assert Task.objects.filter(is_held_out=True).count() == 2
    assert not Task.objects.filter(is_audit=True).exists()


def test_small_batches_hold_out_a_fifth_of_their_sum(loop: Loop) -> None:
    for _ in range(10):
        loop.send(1)
    assert Task.objects.filter(is_held_out=True).count() == 2


def test_what_somebody_picked_makes_no_more_of_the_next_batch_held_out(loop: Loop) -> None:
    picked = list(Task.objects.order_by("pk").values_list("uid", flat=True)[:20])
    acceptance.send_marked(loop.stage(), tasks=picked, by=loop.user)
    batch = loop.send(10)
    assert Task.objects.filter(is_held_out=True).count() == 2
    assert Task.objects.filter(batch=batch, is_held_out=True).count() == 2


def test_a_double_click_on_send_sends_one_batch(loop: Loop) -> None:
    key = uuid.uuid4()
    first, second = loop.send(5, key=key), loop.send(5, key=key)
    assert first == second
    assert Batch.objects.count() == 1
    assert loop.count("LABEL", "waiting") == 5


def test_an_empty_queue_refuses_a_batch(loop: Loop) -> None:
    loop.send(40)
    with pytest.raises(Conflict, match="queue is empty"):
        loop.send(1)


def test_a_batch_larger_than_the_queue_sends_what_is_there(loop: Loop) -> None:
    batch = loop.send(1000)
    assert batch.size == 40
    assert loop.count("ACTIVE_LEARNING", "waiting") == 0


def test_a_recalled_batch_returns_to_the_queue_and_what_was_labeled_stays(loop: Loop) -> None:
    batch = loop.send(10)
    loop.label(3)
    assert services.recall(batch, by=loop.user) == 7
    assert loop.count("ACTIVE_LEARNING", "waiting") == 37
    assert loop.count("ACTIVE_LEARNING", "done") == 3
    assert loop.count("LABEL", "waiting") == 0
    assert not Task.objects.filter(is_held_out=True, annotation=None).exists()


def test_priority_comes_before_the_rest_of_the_queue(loop: Loop) -> None:
    chosen = Task.objects.order_by("-shuffle").first()
    assert chosen is not None
    Task.objects.filter(pk=chosen.pk).update(priority=0.5)
    assert queue.top(loop.stage(), None, 1)[0].task_id == chosen.pk


def test_pages_of_the_queue_are_the_queue(loop: Loop) -> None:
    Task.objects.filter(pk__in=Task.objects.values("pk")[:3]).update(priority=1)
    whole = [place.task_id for place in queue.top(loop.stage(), None, 100)]
    paged, after = [], ""
    while page := queue.top(loop.stage(), None, 7, after):
        paged += [place.task_id for place in page]
        after = page[-1].cursor
    assert paged == whole and len(set(whole)) == 40


@pytest.mark.parametrize("cursor", ["x", "9:1", "1:1", "2:a:1", "2:0.5", "-1:0.5:1"])
def test_a_made_up_cursor_is_refused(loop: Loop, cursor: str) -> None:
    with pytest.raises(Conflict):
        queue.top(loop.stage(), None, 5, cursor)


def test_too_few_labels_say_how_many_more(loop: Loop) -> None:
    loop.send(10)
    loop.label(5)
    found = state.training_set(loop.stage(), None)
    with pytest.raises(Conflict, match=f"{10 - found.with_box} more labeled images with a box"):
        services.trigger_cycle(loop.stage(), by=loop.user)
    assert not Run.objects.filter(kind="cycle").exists()


def test_images_without_boxes_do_not_count_towards_the_minimum(loop: Loop) -> None:
    loop.send(20)
    loop.label(20, labels=[])
    with pytest.raises(Conflict, match="10 more labeled images"):
        services.trigger_cycle(loop.stage(), by=loop.user)


def test_a_double_click_on_trigger_starts_one_cycle(loop: Loop) -> None:
    loop.send(20)
    loop.label()
    key = uuid.uuid4()
    first = services.trigger_cycle(loop.stage(), by=loop.user, key=key)
    assert services.trigger_cycle(loop.stage(), by=loop.user, key=key) == first
    assert Run.objects.filter(kind="cycle").count() == 1


def test_only_one_cycle_or_flush_runs_in_a_stage(loop: Loop) -> None:
    loop.send(20)
    loop.label()
    services.trigger_cycle(loop.stage(), by=loop.user)
    with pytest.raises(Conflict, match="A cycle is running"):
        services.trigger_cycle(loop.stage(), by=loop.user)
    with pytest.raises(Conflict, match="A cycle is running"):
        services.flush(loop.stage(), by=loop.user)
    assert StageRun.objects.filter(is_active=True).count() == 1


def test_sending_is_allowed_while_a_cycle_runs(loop: Loop) -> None:
    loop.send(20)
    loop.label()
    services.trigger_cycle(loop.stage(), by=loop.user)
    assert loop.send(5).size == 5


def test_canceling_frees_the_stage(loop: Loop) -> None:
    loop.send(20)
    loop.label()
    services.trigger_cycle(loop.stage(), by=loop.user)
    services.cancel(loop.stage(), by=loop.user)
    assert state.active_run(loop.stage()) is None
    assert services.trigger_cycle(loop.stage(), by=loop.user).number == 2
    with pytest.raises(Conflict, match="Nothing is running"):
        services.cancel(loop.stage("LABEL"), by=loop.user)


def test_nothing_labeled_and_nothing_predicted_cannot_be_flushed(loop: Loop) -> None:
    with pytest.raises(Conflict, match="Nothing can be flushed"):
        services.flush(loop.stage(), by=loop.user)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_confidence_is_refused(loop: Loop, threshold: float) -> None:
    with pytest.raises(Conflict, match="from 0 to 1"):
        services.flush(loop.stage(), threshold=threshold, by=loop.user)


def test_a_check_needs_a_model(loop: Loop) -> None:
    with pytest.raises(Conflict, match="before the first cycle"):
        services.check_first(loop.stage(), threshold=0.5, size=5, by=loop.user)


@pytest.mark.django_db(transaction=True)
def test_what_returns_while_a_run_begins_that_scores_it_is_scored_all_the_same(loop: Loop) -> None:
    """The run that waits must not begin before what it is to score is there to be seen."""
    stage, batch = loop.stage(), loop.send(3)
    cycle = Cycle.objects.create(stage=stage, number=1)
    Learner.objects.update_or_create(stage=stage, defaults={"current": cycle})
    services.request_scores(stage)
    run, seen = Run.objects.get(kind=services.SCORE), []

    def begin() -> None:
        try:
            if runs.start(run.pk):
                seen.append(loop.count("ACTIVE_LEARNING", "waiting"))
        finally:
            connection.close()

    worker = Thread(target=begin)
    with transaction.atomic():
        services.recall(batch, by=loop.user)
        worker.start()
        worker.join(1)
    worker.join()
    later = Run.objects.filter(kind=services.SCORE, status=RunStatus.QUEUED).exists()
    assert seen == [40] or later


@pytest.mark.django_db(transaction=True)
def test_no_cycle_begins_in_a_project_that_is_being_archived(loop: Loop) -> None:
    loop.send(30)
    loop.label()
    stage, told = loop.stage(), []

    def trigger() -> None:
        try:
            services.trigger_cycle(stage, by=loop.user)
        except Conflict as conflict:
            told.append(conflict.message)
        finally:
            connection.close()

    other = Thread(target=trigger)
    with transaction.atomic():
        archive(project=loop.project, by=loop.user)
        other.start()
        other.join(1)
        assert other.is_alive()
    other.join()
    assert told == ["The project is archived."]
    assert not StageRun.objects.exists()


def test_an_audit_that_is_moved_back_to_the_queue_measures_nothing_any_more(trained: Loop) -> None:
    trained.send(5)
    audit = Task.objects.filter(is_audit=True, annotation=None).first()
    assert audit and audit.is_held_out
    transitions.move_to(task_ids=[audit.uid], stage=trained.stage(), by=trained.user)
    audit.refresh_from_db()
    assert audit.stage == trained.stage() and not audit.is_audit and not audit.is_held_out
