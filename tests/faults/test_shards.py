"""Shards that end at the same moment: exactly one of them closes the run, whoever else interferes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from apps.common import runs
from apps.common.handles import Stopped
from apps.common.http import Conflict
from apps.common.jobs import execute, execute_shard
from apps.common.models import Run, RunStatus
from tests.work.models import Receipt

pytestmark = pytest.mark.django_db(transaction=True)

TRIALS = 200


def opened(parts: int) -> Run:
    run = runs.create(organization=None, kind="test-parts", params={"parts": parts})
    execute(run.pk)
    return run


def together(actions: list[Callable[[], None]]) -> None:
    """Each in a thread, and so on a connection, of its own; all begin at the same moment."""
    barrier = threading.Barrier(len(actions))
    errors: list[Exception] = []

    def act(action: Callable[[], None]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            action()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_of_two_shards_that_finish_together_one_closes_the_run() -> None:
    closers: list[int] = []
    for _ in range(TRIALS):
        run = opened(2)
        handles = [runs.start_shard(pk) for pk in run.shards.values_list("pk", flat=True)]
        last: list[bool] = []
        together([lambda handle=handle, last=last: last.append(handle.finish()) for handle in handles])
        closers.append(last.count(True))
        run.refresh_from_db()
        assert run.shards_left == 0
    assert closers == [1] * TRIALS


def test_shards_that_end_together_do_everything_once() -> None:
    for _ in range(TRIALS // 4):
        run = opened(4)
        ids = list(run.shards.values_list("pk", flat=True))
        together([lambda pk=pk: execute_shard(pk) for pk in [*ids, *ids]])
        run.refresh_from_db()
        assert (run.status, run.done, run.shards_left) == (RunStatus.DONE, 40, 0)
        steps = sorted(Receipt.objects.filter(run=run.pk).values_list("step", flat=True))
        assert steps == ["close", "ended done", "open", "part 0", "part 1", "part 2", "part 3"]


def test_a_run_that_is_canceled_while_its_shards_end_ends_in_one_way() -> None:
    ends = set()
    for _ in range(TRIALS // 4):
        run = opened(3)
        handles = [runs.start_shard(pk) for pk in run.shards.values_list("pk", flat=True)]
        refused: list[str] = []

        def finish(handle: runs.ShardHandle, run: Run = run) -> None:
            try:
                with handle.guard():
                    Receipt.objects.create(run=run.pk, step=f"part {handle.shard.number}", attempt=1, pid=1)
                    last = handle.finish()
                if last:
                    runs.Handle(Run.objects.get(pk=run.pk)).finish()
            except Stopped:
                return

        def cancel(run: Run = run, refused: list[str] = refused) -> None:
            try:
                runs.cancel(run, None)
            except Conflict as conflict:
                refused.append(conflict.message)

        together([*(lambda handle=handle: finish(handle) for handle in handles), cancel])
        run.refresh_from_db()
        ends.add(run.status)
        assert run.status == (RunStatus.DONE if refused else RunStatus.CANCELED)
        steps = list(Receipt.objects.filter(run=run.pk, step__startswith="ended").values_list("step", flat=True))
        assert steps == [f"ended {run.status}"]
    assert ends <= {RunStatus.DONE, RunStatus.CANCELED}


def test_a_run_in_its_queue_twice_is_started_once_by_workers_that_take_it_together() -> None:
    for _ in range(TRIALS // 4):
        run = runs.create(organization=None, kind="test-steps", params={"steps": 2})
        together([lambda run=run: execute(run.pk) for _ in range(4)])
        steps = sorted(Receipt.objects.filter(run=run.pk).values_list("step", flat=True))
        assert steps == ["0", "1", "ended done"]
