"""Promises that need real worker processes: a cycle spread over them, killed, canceled; two clicks at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.autolabel import services, state
from apps.autolabel.models import Cycle, Learner, Prediction, StageRun
from apps.common import sweeper
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.labeling.models import Batch, Task
from config.processes import wait_until
from tests.autolabel.loop import Loop
from tests.conftest import WorkerProcess

pytestmark = pytest.mark.django_db(transaction=True)
StartWorker = Callable[..., WorkerProcess]
SECONDS = 600


def status_of(run_id: int | None) -> str:
    return Run.objects.values_list("status", flat=True).get(pk=run_id)


def is_training(run_id: int | None) -> bool:
    return Run.objects.filter(pk=run_id, status="running", phase="Training", done__gt=0).exists()


def kill(worker: WorkerProcess) -> None:
    """Everything at once, as when the machine goes."""
    horses = worker.horses()
    worker.kill()
    for pid in horses:
        os.kill(pid, signal.SIGKILL)


def sweep_until(condition: Callable[[], bool]) -> bool:
    def swept() -> bool:
        sweeper.sweep()
        return condition()

    return wait_until(swept, SECONDS, step=0.5)


def test_a_cycle_runs_on_the_workers_of_training_and_inference(loop: Loop, start_worker: StartWorker) -> None:
    loop.send(24)
    loop.label()
    start_worker("training")
    inference = start_worker("inference")
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    assert wait_until(lambda: status_of(cycle.run_id) == RunStatus.DONE, SECONDS), Run.objects.get(pk=cycle.run_id)
    assert Learner.objects.get().current == cycle
    assert Prediction.objects.filter(cycle=cycle, rank__isnull=False).count() == 16
    assert "Start shard" in inference.output()
    assert sorted(Prediction.objects.values_list("rank", flat=True)) == list(range(16))


def test_a_worker_killed_in_the_middle_of_a_cycle_loses_nothing(
    loop: Loop, start_worker: StartWorker, settings: Any
) -> None:
    settings.RUN_STALE_SECONDS = 15.0  # a crowded machine may pause a living worker for some seconds
    loop.send(24)
    loop.label()
    first = start_worker()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    assert wait_until(lambda: is_training(cycle.run_id), SECONDS)
    kill(first)
    start_worker()
    assert sweep_until(lambda: status_of(cycle.run_id) not in ("queued", "running"))
    run = Run.objects.get(pk=cycle.run_id)
    assert run.status == RunStatus.DONE, run.error
    assert run.attempt >= 2 and run.requeues == 1
    assert Prediction.objects.filter(cycle=cycle).count() == loop.count("ACTIVE_LEARNING", "waiting") == 16
    assert Task.objects.filter(in_training_set=True).count() == 24
    assert state.active_run(loop.stage()) is None


def test_a_canceled_cycle_ends_its_job_and_frees_the_stage(loop: Loop, start_worker: StartWorker) -> None:
    loop.send(24)
    loop.label()
    worker = start_worker()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    assert wait_until(lambda: is_training(cycle.run_id), SECONDS)
    services.cancel(loop.stage(), by=loop.user)
    assert wait_until(lambda: not worker.horses(), SECONDS)
    assert status_of(cycle.run_id) == RunStatus.CANCELED
    assert Cycle.objects.get(pk=cycle.pk).model_path == ""
    assert Learner.objects.get().current is None and state.active_run(loop.stage()) is None


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    """What came of so many calls, each on a connection of its own, begun together."""
    gate, came = threading.Barrier(count), []

    def run() -> None:
        gate.wait()
        try:
            came.append(act())
        except Conflict as refused:
            came.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def test_of_two_triggers_at_once_one_wins(loop: Loop) -> None:
    loop.send(24)
    loop.label()
    came = at_once(4, lambda: services.trigger_cycle(loop.stage(), by=loop.user))
    assert sum(isinstance(each, Cycle) for each in came) == 1
    assert sum(isinstance(each, Conflict) for each in came) == 3
    assert StageRun.objects.filter(is_active=True).count() == 1


def test_batches_sent_at_once_share_no_task(loop: Loop) -> None:
    came = at_once(4, lambda: loop.send(10))
    assert all(isinstance(each, Batch) for each in came)
    assert loop.count("LABEL", "waiting") == 40
    assert sorted(Batch.objects.values_list("size", flat=True)) == [10] * 4
    assert sorted(Batch.objects.values_list("number", flat=True)) == [1, 2, 3, 4]


def is_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


def test_a_batch_that_waited_while_a_cycle_ended_is_of_that_cycle(loop: Loop) -> None:
    stage = loop.stage()
    learner = services.learner_of(stage)
    sender = threading.Thread(target=at_once, args=(1, lambda: loop.send(10)))
    with transaction.atomic():
        learner = Learner.objects.select_for_update().get(pk=learner.pk)
        sender.start()
        assert wait_until(is_waiting_for_a_lock, 30)
        learner.current = Cycle.objects.create(stage=stage, number=1, ended_at=timezone.now())
        learner.save(update_fields=["current"])
    sender.join()
    assert Batch.objects.get().audits > 0, "Audits are drawn once a cycle has ended."
