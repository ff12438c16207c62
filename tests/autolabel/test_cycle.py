"""Promises of a cycle: what it trains on, what it leaves behind, and what it does when broken off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import transaction
from django.db.models import F
from pytest_django import DjangoCaptureOnCommitCallbacks

from apps.autolabel import learning, predicting, queue, services, state
from apps.autolabel.models import Cycle, Learner, Prediction, Unreadable
from apps.autolabel.worst import worst
from apps.common import jobs, runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus, Shard
from apps.detector.types import Trained
from apps.labeling.models import Annotation, Prelabel, Task
from apps.labeling.selection import opening, take_next
from apps.warehouse.models import Datapoint, StorageMethod
from tests.autolabel.loop import Loop, perform

# Training lasts longer than a transaction may stand idle.
trains = pytest.mark.django_db(transaction=True)


@trains
def test_a_cycle_predicts_the_queue_and_orders_it_by_confidence(loop: Loop) -> None:
    loop.send(24)
    loop.label()
    cycle = loop.cycle()
    assert cycle.run is not None and cycle.run.status == RunStatus.DONE, cycle.run and cycle.run.error
    assert Learner.objects.get().current == cycle
    found = Prediction.objects.filter(cycle=cycle).order_by("rank")
    assert set(found.values_list("task_id", flat=True)) == set(
        Task.objects.filter(stage=loop.stage(), state="waiting").values_list("pk", flat=True)
    )
    assert [each.rank for each in found] == list(range(16))
    assert [place.task_id for place in queue.top(loop.stage(), cycle, 16)] == [each.task_id for each in found]
    assert cycle.train_images == 20 and cycle.held_out_images == 4
    assert cycle.agreement_n == 4 and cycle.agreement is not None
    assert cycle.labeled == 24 and cycle.total == 40
    assert (settings.MODELS_ROOT / cycle.model_path).is_file()
    assert state.training_set(loop.stage(), cycle).new == 0


@trains
def test_held_out_images_are_never_trained_on(trained: Loop) -> None:
    trained.send(6)
    trained.label()
    held_out = set(Task.objects.filter(is_held_out=True).values_list("pk", flat=True))
    audits = set(Task.objects.filter(is_audit=True).values_list("pk", flat=True))
    assert len(audits) == 3 and audits < held_out
    assert not held_out & {task.pk for task in learning.labeled_tasks(trained.stage(), held_out=False)}
    assert held_out == {task.pk for task in learning.labeled_tasks(trained.stage(), held_out=True)}
    cycle = trained.cycle()
    assert (cycle.train_images, cycle.held_out_images) == (26, 7)


def test_audits_are_labeled_blind_and_their_predictions_kept(trained: Loop) -> None:
    batch = trained.send(6)
    assert (batch.size, batch.audits) == (6, 3)
    tasks = take_next(stage=trained.stage("LABEL"), user=trained.user, count=9)
    for task in tasks:
        found = opening(task, trained.user)
        frozen = Prelabel.objects.get(task=task)
        assert frozen.cycle == 1 and frozen.confidence is not None
        assert found.labels == ([] if task.is_audit else frozen.labels)
        assert found.prelabels == ([] if task.is_audit else frozen.labels)


def test_a_batch_holds_the_least_confident_in_their_order(trained: Loop) -> None:
    expected = [place.task_id for place in queue.top(trained.stage(), Learner.objects.get().current, 6)]
    batch = trained.send(6)
    sent = Task.objects.filter(batch=batch, is_audit=False).order_by("position")
    assert list(sent.values_list("pk", flat=True)) == expected


def test_without_new_labels_a_cycle_asks_first(trained: Loop) -> None:
    with pytest.raises(Conflict, match="Nothing was labeled") as caught:
        services.trigger_cycle(trained.stage(), by=trained.user)
    assert caught.value.state["confirm"] is True
    assert services.trigger_cycle(trained.stage(), by=trained.user, again=True).number == 2


def test_the_next_cycle_replaces_predictions_and_order(trained: Loop, model: Trained) -> None:
    trained.send(5)
    trained.label()
    cycle = trained.cycle(model)
    assert Learner.objects.get().current == cycle
    assert not Prediction.objects.exclude(cycle=cycle).exists()
    assert Prediction.objects.filter(cycle=cycle).count() == trained.count("ACTIVE_LEARNING", "waiting")
    first = Cycle.objects.get(number=1)
    assert first.checkpoint_path == "" and (settings.MODELS_ROOT / first.model_path).is_file()


def test_a_checkpoint_that_cannot_be_deleted_is_left_for_the_next_cycle(trained: Loop, model: Trained) -> None:
    first = Cycle.objects.get(number=1)
    stuck = settings.MODELS_ROOT / first.checkpoint_path
    stuck.unlink()
    stuck.mkdir()
    trained.send(5)
    trained.label()
    assert trained.cycle(model).run.status == RunStatus.DONE
    assert not Prediction.objects.filter(cycle=first).exists()
    first.refresh_from_db()
    assert first.checkpoint_path
    stuck.rmdir()
    trained.cycle(model, again=True)
    first.refresh_from_db()
    assert first.checkpoint_path == ""


def test_the_worst_images_are_held_out_ones_against_what_people_say(loop: Loop, model: Trained) -> None:
    loop.send(24)
    loop.label()
    held_out = Task.objects.filter(in_training_set=True, is_held_out=True).select_related("annotation")
    odd = held_out[1]
    assert odd.annotation is not None
    said = [{"id": "h0", "category": 1, "bbox": [0.45, 0.45, 0.05, 0.05], "source": "human"}]
    Annotation.objects.filter(pk=odd.annotation.pk).update(labels=said)
    found = worst(loop.cycle(model))
    assert found[0].agreement == 0 and found[0].task == odd
    assert {each.task for each in found} <= set(held_out)
    drawn = [box["label"] for box in found[0].picture.boxes]
    assert [label["id"] for label in drawn if label["source"] == "human"] == ["h0"]


@trains
def test_what_was_sent_while_a_cycle_ran_keeps_its_frozen_prediction(trained: Loop) -> None:
    trained.send(5)
    trained.label()
    cycle = services.trigger_cycle(trained.stage(), by=trained.user)
    batch = trained.send(2)
    perform(cycle.run)
    assert set(Prelabel.objects.filter(task__batch=batch).values_list("cycle", flat=True)) == {1}
    assert not Prediction.objects.filter(task__batch=batch).exists()


def break_file(point: Datapoint) -> None:
    (settings.MEDIA_ROOT / point.path).write_bytes(b"\x89PNG\r\n\x1a\n broken")


def take_away(point: Datapoint) -> None:
    """Its storage does not hand it over: nobody listens there."""
    web, _ = StorageMethod.objects.get_or_create(organization=point.dataset.organization, name="Web", provider="PUBLIC")
    Datapoint.objects.filter(pk=point.pk).update(storage=web, path=f"http://127.0.0.1:9/{point.pk}.png")


@trains
@pytest.mark.parametrize("spoil", [break_file, take_away])
def test_unreadable_images_are_named_and_neither_trained_on_nor_predicted(
    loop: Loop, spoil: Callable[[Datapoint], None]
) -> None:
    loop.send(24)
    loop.label()
    labeled = Task.objects.filter(in_training_set=True, is_held_out=False).first()
    queued = Task.objects.filter(stage=loop.stage(), state="waiting").first()
    assert labeled and queued
    for task in (labeled, queued):
        spoil(Datapoint.objects.get(tasks=task))
    cycle = loop.cycle()
    assert cycle.train_images == 19
    assert set(Unreadable.objects.values_list("task_id", flat=True)) == {labeled.pk, queued.pk}
    assert all(Unreadable.objects.values_list("reason", flat=True))
    assert not Prediction.objects.filter(task=queued).exists()
    assert not predicting.has_unscored(cycle)
    Run.objects.filter(pk=cycle.run_id).update(status=RunStatus.CANCELED)
    with transaction.atomic(), pytest.raises(Conflict, match="has ended and is current"):
        services.take_again(Run.objects.get(pk=cycle.run_id))
    assert Prediction.objects.filter(cycle=cycle).exists()


def test_a_training_set_that_cannot_be_read_fails_with_the_reason(loop: Loop) -> None:
    loop.send(24)
    loop.label()
    for path in Datapoint.objects.values_list("path", flat=True):
        (settings.MEDIA_ROOT / path).write_bytes(b"")
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    run = perform(cycle.run)
    assert run.status == RunStatus.FAILED and "Not one of 20 images can be read" in run.error
    assert state.active_run(loop.stage()) is None


@trains
def test_a_cycle_broken_off_after_training_goes_on_with_its_model(loop: Loop) -> None:
    loop.send(24)
    loop.label()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    handle = runs.start(cycle.run_id or 0)
    assert handle is not None
    learning.train(handle, cycle)
    model = cycle.model_path
    runs.requeue(handle.run, "The worker stopped answering.")
    perform(cycle.run)
    cycle.refresh_from_db()
    assert cycle.model_path == model
    assert Learner.objects.get().current == cycle


def test_a_superseded_job_writes_nothing_more(loop: Loop) -> None:
    loop.send(24)
    loop.label()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    stale = runs.start(cycle.run_id or 0)
    assert stale is not None
    Run.objects.filter(pk=cycle.run_id).update(attempt=F("attempt") + 1)
    with pytest.raises(runs.Superseded):
        learning.train(stale, cycle)
    cycle.refresh_from_db()
    assert cycle.model_path == "" and not list(settings.MODELS_ROOT.glob(".training-*"))


@trains
def test_canceling_between_shards_drops_the_cycle_and_keeps_the_order(trained: Loop) -> None:
    before = Learner.objects.get().current
    trained.send(5)
    trained.label()
    cycle = services.trigger_cycle(trained.stage(), by=trained.user)
    jobs.execute(cycle.run_id or 0)
    services.cancel(trained.stage(), by=trained.user)
    for shard in Shard.objects.filter(run=cycle.run):
        jobs.execute_shard(shard.pk)
    assert Learner.objects.get().current == before
    assert not Prediction.objects.filter(cycle=cycle).exists()
    assert queue.top(trained.stage(), before, 1)


@trains
def test_a_failed_cycle_can_be_tried_again(
    loop: Loop, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    loop.send(24)
    loop.label()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    jobs.execute(cycle.run_id or 0)
    services.cancel(loop.stage(), by=loop.user)
    cycle.refresh_from_db()
    learning.note_unreadable(cycle, {Task.objects.values_list("pk", flat=True)[0]: "The disk was away."})
    with django_capture_on_commit_callbacks(execute=True):
        again = runs.retry(Run.objects.get(pk=cycle.run_id), loop.user)
    assert not cycle.unreadable.exists()
    assert not (settings.MODELS_ROOT / cycle.model_path).exists()
    assert state.active_run(loop.stage()) == again
    assert perform(again).status == RunStatus.DONE
    assert Learner.objects.get().current == cycle


def test_an_old_cycle_cannot_be_tried_again(loop: Loop, model: Trained) -> None:
    loop.send(24)
    loop.label()
    old = services.trigger_cycle(loop.stage(), by=loop.user)
    services.cancel(loop.stage(), by=loop.user)
    loop.cycle(model)
    with pytest.raises(Conflict, match="has ended since"):
        runs.retry(Run.objects.get(pk=old.run_id), loop.user)


def test_tasks_that_come_back_are_scored_by_the_current_model(trained: Loop, model: Trained) -> None:
    batch = trained.send(5)
    trained.label(2)
    trained.cycle(model)
    services.recall(batch, by=trained.user)
    cycle = Learner.objects.get().current
    assert cycle is not None and predicting.has_unscored(cycle)
    ranked = list(Prediction.objects.filter(cycle=cycle).values_list("confidence", "rank"))
    perform(Run.objects.get(kind="score", status="queued"))
    assert not predicting.has_unscored(cycle)
    late = Prediction.objects.filter(cycle=cycle, task__batch=None, task__events__verb="recalled")
    assert late.count() == 6
    for each in late:
        assert each.rank == max([pair for pair in ranked if pair[0] <= each.confidence], default=(0, 0))[1]


@pytest.mark.parametrize("strategy", ["diverse", "random"])
def test_every_strategy_orders_the_whole_queue(loop: Loop, model: Trained, strategy: str) -> None:
    stage = loop.stage()
    stage.config |= {"strategy": strategy, "batch_size": 1}
    stage.save(update_fields=["config"])
    loop.send(24)
    loop.label()
    cycle = loop.cycle(model)
    found = Prediction.objects.filter(cycle=cycle).select_related("task").order_by("rank")
    assert [each.rank for each in found] == list(range(16))
    if strategy == "random":
        shuffles = [each.task.shuffle for each in found]
        assert shuffles == sorted(shuffles)
    else:
        assert len({bytes(each.embedding) for each in found}) > 10  # some pictures are empty and alike


def test_a_cycle_with_an_empty_queue_ends(loop: Loop, model: Trained) -> None:
    loop.send(40)
    loop.label()
    cycle = loop.cycle(model)
    assert cycle.run is not None and cycle.run.status == RunStatus.DONE
    assert cycle.mean_confidence is None and cycle.predict_seconds is None and Learner.objects.get().current == cycle
