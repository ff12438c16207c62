"""Promises of accepting in bulk and taking back: what leaves, what returns, and what stays because of work since."""

from __future__ import annotations

import uuid

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.autolabel import acceptance, queue, services, state, worth
from apps.autolabel.models import Learner, Prediction
from apps.common import jobs, runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.labeling import transitions
from apps.labeling.models import Annotation, Task, TaskEvent
from apps.warehouse.models import LabelsetEntry
from tests.autolabel.loop import Loop, break_off, interrupt, perform


def accept(loop: Loop, threshold: float = 0.0) -> Run:
    run = perform(acceptance.accept(loop.stage(), threshold=threshold, by=loop.user))
    assert run.status == RunStatus.DONE, run.error
    return run


def revert(loop: Loop, flushed: Run) -> Run:
    run = perform(acceptance.revert(flushed, loop.stage(), by=loop.user))
    assert run.status == RunStatus.DONE, run.error
    return run


def canceled_after_ten(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An acceptance of all 16 that somebody cancels when ten have left."""
    monkeypatch.setattr("apps.autolabel.flushing.CHUNK", 5)
    run = acceptance.accept(loop.stage(), threshold=0.0, by=loop.user)
    break_off(monkeypatch, 10, lambda handle: services.cancel(loop.stage(), by=loop.user))
    jobs.execute(run.pk)
    return Run.objects.get(pk=run.pk)


def saved(loop: Loop) -> int:
    """Images that auto-labels have saved people."""
    found = worth.work(loop.stage(), labeled=24, total=40, levels=[], wanted=0.0)
    assert found is not None
    return found.saved.images


def middle(loop: Loop) -> float:
    """A threshold that half of the queue reaches."""
    return sorted(Prediction.objects.values_list("confidence", flat=True))[8]


def test_what_is_sure_enough_is_accepted_and_nothing_else_leaves(trained: Loop) -> None:
    threshold = middle(trained)
    expected = Prediction.objects.filter(confidence__gte=threshold).count()
    assert accept(trained, threshold).result == {"labeled": 0, "auto": expected}
    assert trained.count("ACTIVE_LEARNING", "done") == 24
    assert trained.count("ACTIVE_LEARNING", "waiting") == 16 - expected
    entries = LabelsetEntry.objects.filter(labelset=trained.labelset)
    assert set(entries.values_list("source", "cycle")) == {("model", 1)}
    assert entries.count() == expected == entries.filter(confidence__gte=threshold).count()


def test_what_was_accepted_is_taken_back_to_where_it_was(trained: Loop) -> None:
    before = [place.task_id for place in queue.top(trained.stage(), Learner.objects.get().current, 100)]
    flushed = accept(trained)
    assert trained.count("ACTIVE_LEARNING", "waiting") == 0
    assert revert(trained, flushed).result == {"reverted": 16}
    assert not LabelsetEntry.objects.filter(labelset=trained.labelset).exists()
    assert [place.task_id for place in queue.top(trained.stage(), Learner.objects.get().current, 100)] == before
    assert not Task.objects.filter(pk__in=before).exclude(annotation=None).exists()
    assert TaskEvent.objects.filter(verb="reverted", task__in=before).count() == 16
    assert accept(trained).result["auto"] == 16, "It can be accepted again."


def test_the_history_keeps_what_was_taken_back(trained: Loop) -> None:
    revert(trained, accept(trained))
    assert Annotation.objects.filter(source="model").count() == 16


def test_of_a_flush_only_auto_labels_are_taken_back(trained: Loop) -> None:
    flushed = perform(services.flush(trained.stage(), threshold=0.0, by=trained.user))
    assert revert(trained, flushed).result == {"reverted": 16}
    assert set(LabelsetEntry.objects.values_list("source", flat=True)) == {"human"}
    assert trained.count("OUTPUT", "done") == 24


def test_what_somebody_has_worked_on_since_stays(trained: Loop) -> None:
    flushed = accept(trained)
    touched = Task.objects.filter(stage__name="OUTPUT").first()
    assert touched
    transitions.move_to(task_ids=[touched.uid], stage=trained.stage("LABEL"), by=trained.user)
    assert revert(trained, flushed).result == {"reverted": 15}
    touched.refresh_from_db()
    assert touched.stage.name == "LABEL"


def test_what_another_flush_sent_stays(trained: Loop) -> None:
    threshold = middle(trained)
    first, second = accept(trained, threshold), accept(trained)
    assert revert(trained, first).result == {"reverted": first.result["auto"]}
    assert LabelsetEntry.objects.count() == second.result["auto"]


def test_an_entry_that_another_has_written_since_stays(trained: Loop) -> None:
    flushed = accept(trained)
    entry = LabelsetEntry.objects.first()
    assert entry
    LabelsetEntry.objects.filter(pk=entry.pk).update(task_uid=uuid.uuid4())
    assert revert(trained, flushed).result == {"reverted": 16}
    assert list(LabelsetEntry.objects.values_list("pk", flat=True)) == [entry.pk]


def test_a_reversion_stopped_in_the_middle_and_started_again_takes_all_back(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.autolabel.acceptance.CHUNK", 3)
    flushed = accept(trained)
    run = acceptance.revert(flushed, trained.stage(), by=trained.user)
    handle = runs.start(run.pk)
    assert handle is not None
    ids = list(Task.objects.filter(stage__name="OUTPUT").values_list("pk", flat=True)[:7])
    assert transitions.unflush(stage=trained.stage(), task_ids=ids, flush=flushed.pk, by=None) == 7
    runs.requeue(handle.run, "The worker stopped answering.")
    perform(run)
    assert trained.count("ACTIVE_LEARNING", "waiting") == 16 and not LabelsetEntry.objects.exists()


def test_what_a_canceled_acceptance_sent_is_counted_and_taken_back(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    canceled_after_ten(trained, monkeypatch)
    [found] = acceptance.reversions(trained.stage())
    assert (found.flush.status, found.auto, found.left, found.can_begin) == (RunStatus.CANCELED, 10, 10, True)
    assert saved(trained) == 10
    assert revert(trained, found.flush).result == {"reverted": 10}
    assert trained.count("ACTIVE_LEARNING", "waiting") == 16 and saved(trained) == 0


def test_a_flush_whose_first_attempt_moved_everything_is_taken_back(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.autolabel.flushing.CHUNK", 5)
    run = acceptance.accept(trained.stage(), threshold=0.0, by=trained.user)
    break_off(monkeypatch, 16, interrupt)
    jobs.execute(run.pk)
    assert revert(trained, perform(run)).result == {"reverted": 16}


def test_a_reversion_that_was_broken_off_goes_on_as_another_and_both_count(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.autolabel.acceptance.CHUNK", 5)
    flushed = accept(trained)
    first = acceptance.revert(flushed, trained.stage(), by=trained.user)
    break_off(monkeypatch, 5, lambda handle: services.cancel(trained.stage(), by=trained.user))
    jobs.execute(first.pk)
    [half] = acceptance.reversions(trained.stage())
    assert (half.taken, half.left, half.can_begin) == (5, 11, True)
    assert saved(trained) == 11
    assert revert(trained, flushed).result == {"reverted": 11}
    [whole] = acceptance.reversions(trained.stage())
    assert (whole.taken, whole.can_begin) == (16, False)


def test_what_a_flush_sent_again_after_it_was_taken_back_is_taken_back_again(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = canceled_after_ten(trained, monkeypatch)
    revert(trained, run)
    again = perform(runs.retry(run, trained.user))
    assert (again.result["auto"], saved(trained)) == (26, 16)
    assert revert(trained, again).result == {"reverted": 16}
    assert not LabelsetEntry.objects.exists()


def test_the_list_of_flushes_costs_the_same_however_many_there_are(
    trained: Loop, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for threshold in sorted(Prediction.objects.values_list("confidence", flat=True))[-3:][::-1]:
        accept(trained, threshold)
    stage = trained.stage()
    with django_assert_num_queries(2):
        assert len(acceptance.reversions(stage)) > 1


def test_nothing_is_taken_back_twice(trained: Loop) -> None:
    flushed = accept(trained)
    key = uuid.uuid4()
    run = acceptance.revert(flushed, trained.stage(), by=trained.user, key=key)
    assert acceptance.revert(flushed, trained.stage(), by=trained.user, key=key) == run
    perform(run)
    with pytest.raises(Conflict, match="nothing to take back"):
        acceptance.revert(flushed, trained.stage(), by=trained.user)


def test_a_running_cycle_is_waited_for(trained: Loop) -> None:
    flushed = accept(trained)
    services.trigger_cycle(trained.stage(), by=trained.user, again=True)
    with pytest.raises(Conflict, match="cycle is running"):
        acceptance.revert(flushed, trained.stage(), by=trained.user)
    with pytest.raises(Conflict, match="cycle is running"):
        acceptance.accept(trained.stage(), threshold=0.0, by=trained.user)


def test_nothing_is_accepted_before_the_first_cycle(loop: Loop) -> None:
    with pytest.raises(Conflict, match="before the first cycle"):
        acceptance.accept(loop.stage(), threshold=0.0, by=loop.user)


def test_after_a_newer_cycle_what_returns_is_scored_anew(trained: Loop) -> None:
    flushed = accept(trained)
    Learner.objects.update(current=None)
    Prediction.objects.all().delete()
    Learner.objects.update(current=trained.stage().cycles.get())
    revert(trained, flushed)
    jobs.execute(Run.objects.get(kind="score", status="queued").pk)
    assert Prediction.objects.filter(rank__isnull=False).count() == 16


def test_marked_images_are_sent_in_the_order_of_the_queue_and_none_is_held_out(trained: Loop) -> None:
    places = [place.task_id for place in queue.top(trained.stage(), Learner.objects.get().current, 100)]
    picked = [places[9], places[2], places[5]]
    uids = list(Task.objects.filter(pk__in=picked).values_list("uid", flat=True))
    batch = acceptance.send_marked(trained.stage(), tasks=uids, by=trained.user)
    assert (batch.size, batch.audits) == (3, 0)
    sent = Task.objects.filter(batch=batch).order_by("position")
    assert [task.pk for task in sent] == [places[2], places[5], places[9]]
    assert not sent.filter(is_held_out=True).exists()
    with pytest.raises(Conflict, match="None of the marked"):
        acceptance.send_marked(trained.stage(), tasks=uids, by=trained.user)


def test_hours_are_counted_as_spent_saved_and_to_go(trained: Loop) -> None:
    current = Learner.objects.get().current
    assert current is not None

    def work() -> worth.Work:
        levels = state.flush_levels(trained.stage(), current)
        found = worth.work(trained.stage(), labeled=24, total=40, levels=levels, wanted=0.0)
        assert found is not None
        return found

    before = work()
    assert (before.spent, before.seconds) == (pytest.approx(24 / 3600), 1.0)
    assert (before.saved.images, before.to_go.images, before.after_flush.images) == (0, 16, 0)
    flushed = accept(trained)
    assert (work().saved.images, work().to_go.images) == (16, 0)
    assert work().saved.hours == pytest.approx(16 / 3600)
    revert(trained, flushed)
    assert (work().saved.images, work().to_go.images) == (0, 16)
