"""Promises of a flush: what leaves, with which provenance, and that stopping it loses and doubles nothing."""

from __future__ import annotations

import pytest

from apps.accounts.models import AuditEvent
from apps.autolabel import quality, services, state
from apps.autolabel.models import FlushCheck, Learner, Prediction
from apps.common import jobs, runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.detector.types import Trained
from apps.labeling import transitions
from apps.labeling.models import Annotation, Prelabel, Task
from apps.labeling.selection import opening
from apps.warehouse.models import LabelsetEntry
from tests.autolabel.loop import Loop, break_off, interrupt, perform


def flush(loop: Loop, threshold: float = 0.0) -> Run:
    run = perform(services.flush(loop.stage(), threshold=threshold, by=loop.user))
    assert run.status == RunStatus.DONE, run.error
    return run


def test_everything_labeled_and_predicted_leaves_with_its_provenance(trained: Loop) -> None:
    before = dict(Prediction.objects.values_list("task__uid", "confidence"))
    run = flush(trained)
    assert run.result == {"labeled": 24, "auto": 16}
    assert trained.count("OUTPUT", "done") == 40 and trained.count("ACTIVE_LEARNING", "done") == 0
    human = LabelsetEntry.objects.filter(labelset=trained.labelset, source="human")
    model = LabelsetEntry.objects.filter(labelset=trained.labelset, source="model")
    assert human.count() == 24 and set(human.values_list("author", flat=True)) == {trained.user.pk}
    assert dict(model.values_list("task_uid", "confidence")) == before
    assert set(model.values_list("cycle", flat=True)) == {1}
    sources = {label["source"] for labels in model.values_list("labels", flat=True) for label in labels}
    assert sources <= {"model"}
    for entry in human.select_related("datapoint"):
        task = Task.objects.get(uid=entry.task_uid)
        assert [label["bbox"] for label in entry.labels] == [label["bbox"] for label in trained.truth(task)]


def test_the_audit_trail_tells_who_flushed_how_much(trained: Loop) -> None:
    flush(trained)
    event = AuditEvent.objects.get(verb="flushed")
    assert event.actor == trained.user
    assert event.detail == {"threshold": 0.0, "labeled": 24, "auto_labels": 16}


def test_the_training_set_survives_a_flush(trained: Loop) -> None:
    flush(trained)
    found = state.training_set(trained.stage(), Learner.objects.get().current)
    assert (found.images, found.held_out) == (20, 4)


def test_nothing_below_the_threshold_leaves(trained: Loop) -> None:
    confidences = sorted(Prediction.objects.values_list("confidence", flat=True))
    threshold = confidences[8]
    expected = sum(value >= threshold for value in confidences)
    preview = state.flushable(trained.stage(), Learner.objects.get().current, threshold)
    assert (preview.labeled, preview.auto, preview.below, preview.unpredicted) == (24, expected, 16 - expected, 0)
    assert flush(trained, threshold).result == {"labeled": 24, "auto": expected}
    assert trained.count("ACTIVE_LEARNING", "waiting") == 16 - expected
    assert not Prediction.objects.filter(task__stage=trained.stage(), confidence__gte=threshold).exists()


def test_before_the_first_cycle_only_what_is_labeled_leaves(loop: Loop) -> None:
    loop.send(10)
    loop.label(6)
    assert state.flushable(loop.stage(), None, 0.0).unpredicted == 30
    assert flush(loop).result == {"labeled": 6, "auto": 0}
    assert loop.count("ACTIVE_LEARNING", "waiting") == 30


def test_a_task_without_a_prediction_never_leaves(trained: Loop) -> None:
    task = Task.objects.filter(stage=trained.stage(), state="waiting").first()
    assert task
    Prediction.objects.filter(task=task).delete()
    assert state.flushable(trained.stage(), Learner.objects.get().current, 0.0).unpredicted == 1
    flush(trained)
    task.refresh_from_db()
    assert task.stage.name == "ACTIVE_LEARNING" and task.annotation is None


def test_a_flush_stopped_in_the_middle_and_started_again_writes_nothing_twice(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.autolabel.flushing.CHUNK", 5)
    run = services.flush(trained.stage(), by=trained.user)
    handle = runs.start(run.pk)
    assert handle is not None
    moved = transitions.flush_move(
        stage=trained.stage(),
        task_ids=list(Task.objects.filter(stage=trained.stage(), state="done").values_list("pk", flat=True)[:7]),
        by=trained.user,
    )
    assert moved == 7 and LabelsetEntry.objects.count() == 7
    runs.requeue(handle.run, "The worker stopped answering.")
    perform(run)
    assert LabelsetEntry.objects.filter(source="human").count() == 24
    assert LabelsetEntry.objects.filter(source="model").count() == 16
    assert Annotation.objects.filter(source="model").count() == 16
    assert Annotation.objects.filter(source="human").count() == 24


def test_a_canceled_flush_keeps_what_has_left_and_the_rest_where_it_is(
    trained: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.autolabel.flushing.CHUNK", 5)
    run = services.flush(trained.stage(), by=trained.user)
    break_off(monkeypatch, 10, lambda handle: services.cancel(trained.stage(), by=trained.user))
    jobs.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.result) == (RunStatus.CANCELED, {"labeled": 10})
    assert LabelsetEntry.objects.count() == 10
    assert trained.count("OUTPUT", "done") == 10 and trained.count("ACTIVE_LEARNING", "done") == 14
    assert perform(runs.retry(run, trained.user)).result == {"labeled": 24, "auto": 16}
    assert LabelsetEntry.objects.count() == 40


@pytest.mark.parametrize("at", [10, 34, 40])
def test_a_flush_that_is_started_again_counts_what_all_its_attempts_moved(
    trained: Loop, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("apps.autolabel.flushing.CHUNK", 5)
    run = services.flush(trained.stage(), by=trained.user)
    break_off(monkeypatch, at, interrupt)
    jobs.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, sum(run.result.values())) == (RunStatus.QUEUED, at)
    assert perform(run).result == {"labeled": 24, "auto": 16}


def test_a_second_flush_takes_what_came_back_since(trained: Loop) -> None:
    trained.send(4)
    flush(trained)
    trained.label()
    assert flush(trained).result["auto"] == 0
    assert LabelsetEntry.objects.filter(source="human").count() == 31


def test_a_check_is_drawn_from_what_would_be_flushed_and_labeled_blind(trained: Loop) -> None:
    confidences = sorted(Prediction.objects.values_list("confidence", flat=True))
    threshold = confidences[6]
    above = sum(value >= threshold for value in confidences)
    check = services.check_first(trained.stage(), threshold=threshold, size=4, by=trained.user)
    assert (check.population, check.batch.size, check.batch.audits) == (above, 0, 4)
    tasks = Task.objects.filter(batch=check.batch)
    assert all(task.is_audit and task.is_held_out for task in tasks)
    assert all(frozen.confidence >= threshold for frozen in Prelabel.objects.filter(task__in=tasks))
    assert all(opening(task, trained.user).prelabels == [] for task in tasks)
    assert state.check_result(check).n == 0
    trained.label()
    result = state.check_result(FlushCheck.objects.get())
    assert result.n == 4 and result.mean is not None and not result.is_enough


def test_a_check_above_a_threshold_says_nothing_of_the_whole(trained: Loop, model: Trained) -> None:
    threshold = sorted(Prediction.objects.values_list("confidence", flat=True))[12]
    services.check_first(trained.stage(), threshold=max(threshold, 1e-6), size=3, by=trained.user)
    trained.label()
    cycle = trained.cycle(model)
    assert cycle.held_out_images == 7 and cycle.agreement_n == 4


def test_a_check_that_nothing_reaches_is_refused(trained: Loop) -> None:
    with pytest.raises(Conflict, match="No image in the queue"):
        services.check_first(trained.stage(), threshold=1.0, size=3, by=trained.user)


def test_a_confidence_that_is_the_threshold_counts_as_reaching_it(trained: Loop) -> None:
    """0.29 times 100 is less than 29 in floating point."""
    cycle = Learner.objects.get().current
    assert cycle is not None
    for confidence in (0.29, 0.57, 0.58):
        Prediction.objects.update(confidence=confidence)
        levels = state.flush_levels(trained.stage(), cycle)
        assert levels[round(100 * confidence)].count == state.flushable(trained.stage(), cycle, confidence).auto == 16


def test_the_preview_counts_at_every_threshold_what_a_flush_would_send(trained: Loop) -> None:
    cycle = Learner.objects.get().current
    assert cycle is not None
    levels = state.flush_levels(trained.stage(), cycle)
    assert levels[0].count == 16 and levels[0].share == 1.0
    for level in levels[::10]:
        found = Prediction.objects.filter(cycle=cycle, confidence__gte=level.threshold)
        assert level.count == found.count()
        assert level.count == state.flushable(trained.stage(), cycle, level.threshold).auto
    assert quality.lowest_for(levels, 0.0) == levels[0]
