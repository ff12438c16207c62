"""Promises of the door for a learner of one's own: what it reads, what it may send, what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from apps.autolabel import automatic, external, measuring, quality, receiving, services, state
from apps.autolabel.models import Cycle, Learner, Prediction
from apps.common import runs, sweeper
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus, Shard
from apps.detector.types import Trained
from apps.labeling.models import Prelabel, Task
from apps.projects.services import configure_stage
from tests.autolabel.loop import Loop, perform

pytestmark = pytest.mark.django_db


@pytest.fixture
def outside(loop: Loop) -> Loop:
    """24 labeled, 4 of them held out, 16 in the queue; an external learner is chosen."""
    configure_stage(stage=loop.stage(), config={"learner": "external"})
    loop.send(24)
    loop.label()
    return loop


@pytest.fixture
def cycle(outside: Loop) -> Cycle:
    return services.trigger_cycle(outside.stage(), by=outside.user)


def line(task: Task, labels: list[dict[str, Any]], **more: Any) -> bytes:
    return json.dumps({"taskId": str(task.uid), "labels": labels, **more}).encode()


def truthful(loop: Loop, tasks: Iterable[Task], **more: Any) -> Iterator[bytes]:
    """Predictions that are right."""
    for task in tasks:
        labels = [{**label, "confidence": 0.9} for label in loop.truth(task)]
        yield line(task, labels, **({"score": 0.9} | more))


def wanted(cycle: Cycle) -> list[Task]:
    return list(external.unpredicted(cycle).select_related("datapoint").order_by("pk"))


def finish(loop: Loop, cycle: Cycle) -> Cycle:
    receiving.receive(cycle, truthful(loop, wanted(cycle)))
    external.close_cycle(cycle)
    assert perform(cycle.run).status == RunStatus.DONE
    return Cycle.objects.get(pk=cycle.pk)


def test_an_open_cycle_waits_for_its_program_and_no_worker_takes_it(cycle: Cycle, outside: Loop) -> None:
    run = perform(cycle.run)
    sweeper.requeue_stale()
    run.refresh_from_db()
    assert (run.status, run.phase, run.shards_left) == (RunStatus.RUNNING, "Waiting for predictions", 1)
    assert external.open_cycle_of(outside.stage()) == cycle
    with pytest.raises(Conflict, match="A cycle is running"):
        services.flush(outside.stage(), by=outside.user)


def test_what_is_held_out_is_asked_for_and_never_told(cycle: Cycle) -> None:
    told, asked = external.labeled(cycle), external.unlabeled(cycle)
    assert (told.count(), asked.count()) == (20, 20)
    assert not told.filter(is_held_out=True).exists()
    assert asked.filter(is_held_out=True).count() == 4
    assert not set(told.values_list("pk", flat=True)) & set(asked.values_list("pk", flat=True))


def test_what_is_labeled_after_the_opening_is_for_the_next_cycle(cycle: Cycle, outside: Loop) -> None:
    outside.send(4)
    outside.label()
    assert external.labeled(cycle).count() == 20
    assert external.unlabeled(cycle).count() == 12 + 4 + Task.objects.filter(
        is_held_out=True, batch__number=2, in_training_set=True
    ).count()  # fmt: skip


def test_a_closed_cycle_is_measured_ranked_and_current(cycle: Cycle, outside: Loop) -> None:
    done = finish(outside, cycle)
    assert Learner.objects.get().current == done and done.ended_at is not None
    assert (done.held_out_images, done.agreement_n, done.agreement) == (4, 4, 1.0)
    assert done.metrics["ap50"] == pytest.approx(1.0)
    assert not done.is_calibrated and done.metrics["calibration_missing"] == 1
    rows = Prediction.objects.filter(cycle=done)
    assert rows.count() == 16 and not rows.filter(task__is_held_out=True).exists()
    assert sorted(rows.values_list("rank", flat=True)) == list(range(16))
    assert state.active_run(outside.stage()) is None


def test_scores_become_confidences_by_what_was_held_out(outside: Loop) -> None:
    """A learner that is sure of all and right about nothing is not believed."""
    Task.objects.filter(in_training_set=True, pk__in=_some_labeled(16)).update(is_held_out=True)
    cycle = _open_without_minimum(outside)
    wrong = [{"category": 0, "bbox": [0.0, 0.0, 0.01, 0.01], "confidence": 0.95}]
    receiving.receive(cycle, (line(task, wrong, score=0.95) for task in wanted(cycle)))
    external.close_cycle(cycle)
    perform(cycle.run)
    cycle.refresh_from_db()
    assert cycle.is_calibrated and cycle.agreement == pytest.approx(0.0)
    rows = Prediction.objects.filter(cycle=cycle)
    assert set(rows.values_list("score", flat=True)) == {0.95}
    assert max(rows.values_list("confidence", flat=True)) < 0.6
    assert all(confidence < 0.6 for confidence, _ in cycle.scored)
    assert cycle.agreement_n == len(cycle.scored) >= quality.MINIMUM_IMAGES


def _some_labeled(count: int) -> list[int]:
    return list(Task.objects.filter(in_training_set=True).order_by("pk").values_list("pk", flat=True)[:count])


def _open_without_minimum(loop: Loop) -> Cycle:
    """As after many batches: most of few labeled images are held out."""
    run = runs.create(organization=loop.project.organization, kind="cycle", target=loop.stage().pk)
    cycle = Cycle.objects.create(stage=loop.stage(), run=run, number=1, is_external=True)
    external.open_cycle(cycle)
    return cycle


def test_interrupted_closing_begins_again_and_says_the_same(cycle: Cycle, outside: Loop) -> None:
    receiving.receive(cycle, truthful(outside, wanted(cycle)))
    external.close_cycle(cycle)
    handle = runs.start(cycle.run_id or 0)
    assert handle is not None
    measuring.measure(handle)
    before = list(Prediction.objects.order_by("pk").values_list("confidence", flat=True))
    measuring.measure(handle)
    assert list(Prediction.objects.order_by("pk").values_list("confidence", flat=True)) == before
    assert runs.requeue(handle.run, "")
    assert perform(cycle.run).status == RunStatus.DONE
    assert Cycle.objects.get().agreement_n == 4


def test_a_stream_keeps_what_is_right_and_names_what_is_wrong(cycle: Cycle, outside: Loop) -> None:
    first, second, *_ = wanted(cycle)
    lines = [
        line(first, []),
        b"{broken",
        b'{"taskId": "no id", "labels": []}',
        line(second, [{"category": 9, "bbox": [0, 0, 1, 1]}], score=0.5),
        b'{"taskId": "00000000-0000-0000-0000-000000000000", "labels": []}',
        line(second, [{"category": 0, "bbox": [0, 0, 1, 1]}]),
        b"\n",
        line(second, [], score=2),
    ]
    came = receiving.receive(cycle, lines)
    assert (came.accepted, came.failed) == (1, 6)
    assert {each.position: each.message.split(":")[0].split(".")[0] for each in came.errors} == {
        1: "This line is not JSON",
        2: "taskId must be the id of a task",
        3: "Label 1",
        4: "There is no such task in this project",
        5: "Give the image a score, or every label a confidence",
        7: "score must be a number from 0 to 1",
    }


def test_a_prediction_sent_again_replaces_itself(cycle: Cycle, outside: Loop) -> None:
    task = wanted(cycle)[0]
    for score in (0.2, 0.7):
        receiving.receive(cycle, [line(task, [], score=score)])
    assert [row.score for row in Prediction.objects.filter(cycle=cycle)] == [0.7]
    assert Run.objects.get(pk=cycle.run_id).done == 1


def test_predictions_of_the_exchange_form_are_understood(cycle: Cycle) -> None:
    task = wanted(cycle)[0]
    box = {"xnorm": 0.1, "ynorm": 0.2, "wnorm": 0.3, "hnorm": 0.4}
    said = [{"category": [["object", "blue"]], "bbox2d": box, "confidence": 0.5}]
    assert receiving.receive(cycle, [line(task, said)]).accepted == 1
    row = Prediction.objects.get(cycle=cycle)
    assert row.labels == [
        {"id": "c1-0", "category": 1, "bbox": [0.1, 0.2, 0.3, 0.4], "source": "model", "confidence": 0.5}
    ]
    # One box at a half, and by the prior 0.3 objects that nobody sees.
    assert 0.4 < row.confidence < 0.5


def test_a_task_that_left_the_queue_is_passed_over(cycle: Cycle, outside: Loop) -> None:
    outside.send(1)
    gone = Task.objects.get(batch__number=2)
    assert receiving.receive(cycle, [line(gone, [], score=0.5)]).ignored == 1


def test_a_cycle_without_predictions_is_not_closed(cycle: Cycle) -> None:
    with pytest.raises(Conflict, match="has no predictions yet"):
        external.close_cycle(cycle)
    assert Shard.objects.get().status == RunStatus.RUNNING


def test_a_closed_or_canceled_cycle_takes_no_predictions(cycle: Cycle, outside: Loop) -> None:
    task = wanted(cycle)[0]
    services.cancel(outside.stage(), by=outside.user)
    with pytest.raises(Conflict, match="not open for predictions"):
        receiving.receive(cycle, [line(task, [], score=0.5)])
    with pytest.raises(Conflict, match="takes no predictions"):
        external.cycle_of(outside.stage(), cycle.number)
    assert not Prediction.objects.exists()
    runs.retry(Run.objects.get(pk=cycle.run_id), outside.user)
    assert external.open_cycle_of(outside.stage()) == cycle
    with pytest.raises(Conflict):
        services.trigger_cycle(outside.stage(), by=outside.user)


def test_its_predictions_are_sent_as_pre_labels_and_audits_see_none(cycle: Cycle, outside: Loop) -> None:
    done = finish(outside, cycle)
    batch = outside.send(4)
    assert batch.audits == 3
    sent = Task.objects.filter(batch=batch)
    assert Prelabel.objects.filter(task__in=sent, cycle=done.number).count() == 7
    stays = Prediction.objects.filter(cycle=done, task__in=sent).count()
    assert stays == 7 and services.flush(outside.stage(), threshold=0.0, by=outside.user).total == 9 + 24


def test_images_that_come_later_are_predicted_for_the_current_cycle(cycle: Cycle, outside: Loop) -> None:
    """Nothing here can score them by itself, so they wait for the program."""
    early = wanted(cycle)
    held_back = next(task for task in early if not task.is_held_out)
    receiving.receive(cycle, truthful(outside, [task for task in early if task != held_back]))
    external.close_cycle(cycle)
    perform(cycle.run)
    assert not Run.objects.filter(kind="score").exists()
    current = external.cycle_of(outside.stage(), cycle.number)
    assert wanted(current) == [held_back]
    assert receiving.receive(current, [line(held_back, [], score=0.99)]).accepted == 1
    assert Prediction.objects.get(task=held_back).rank is not None
    assert wanted(current) == []


def test_automatic_mode_opens_cycles_for_the_program(outside: Loop) -> None:
    configure_stage(stage=outside.stage(), config={"automatic": True, "train_after": 10})
    assert automatic.decide(outside.stage())[-1].startswith("Triggered cycle 1")
    assert external.open_cycle_of(outside.stage()).is_external


def test_a_stage_may_go_back_to_the_built_in_learner(cycle: Cycle, outside: Loop, model: Trained) -> None:
    finish(outside, cycle)
    configure_stage(stage=outside.stage(), config={"learner": "winnow"})
    own = outside.cycle(model, again=True)
    assert not own.is_external and Learner.objects.get().current == own
    assert Prediction.objects.filter(cycle=own).count() == 16
