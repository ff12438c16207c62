"""Runs in shards: opened once, each finished once, closed once."""

from __future__ import annotations

import pytest

from apps.common import runs
from apps.common.handles import Canceled, Superseded
from apps.common.jobs import execute, execute_shard
from apps.common.models import Run, RunStatus, Shard
from config.processes import wait_until
from tests.common.test_runs import receipts

pytestmark = pytest.mark.django_db


def make_sharded(parts: int = 3, **params: object) -> Run:
    run = runs.create(organization=None, kind="test-parts", params={"parts": parts} | params)
    execute(run.pk)
    run.refresh_from_db()
    return run


def shard_ids(run: Run) -> list[int]:
    return list(run.shards.order_by("number").values_list("pk", flat=True))


def started_shard(pk: int) -> runs.ShardHandle:
    handle = runs.start_shard(pk)
    assert handle is not None
    return handle


def test_a_run_stays_open_while_a_shard_is_left() -> None:
    run = make_sharded()
    first, second, third = shard_ids(run)
    execute_shard(first)
    execute_shard(second)
    run.refresh_from_db()
    assert (run.status, run.shards_left, run.done, run.total) == (RunStatus.RUNNING, 1, 20, 30)
    execute_shard(third)
    run.refresh_from_db()
    assert (run.status, run.shards_left, run.done, run.result) == (RunStatus.DONE, 0, 30, {"parts": 3})
    assert receipts(run) == ["open", "part 0", "part 1", "part 2", "close", "ended done"]


def test_a_run_without_shards_to_open_is_done_at_once() -> None:
    run = make_sharded(parts=0)
    assert run.status == RunStatus.DONE


def test_a_shard_delivered_twice_is_done_once() -> None:
    run = make_sharded()
    first = shard_ids(run)[0]
    execute_shard(first)
    execute_shard(first)
    run.refresh_from_db()
    assert run.shards_left == 2
    assert receipts(run) == ["open", "part 0"]


def test_a_shard_that_fails_fails_the_run_and_stops_the_others() -> None:
    run = make_sharded(fail_at=1)
    first, second, third = shard_ids(run)
    other = started_shard(first)
    with pytest.raises(runs.Failure):
        execute_shard(second)
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.FAILED, "This part cannot be done.")
    with pytest.raises(Canceled), other.guard():
        pytest.fail("a shard of a failed run must not write")
    execute_shard(third)
    assert receipts(run) == ["open", "ended failed"]


def test_canceling_reaches_every_shard() -> None:
    run = make_sharded()
    handle = started_shard(shard_ids(run)[0])
    runs.cancel(run, None)
    with pytest.raises(Canceled):
        handle.finish()
    assert set(run.shards.values_list("status", flat=True)) == {RunStatus.CANCELED}


def test_a_superseded_shard_cannot_write_and_its_items_are_counted_once() -> None:
    run = make_sharded()
    pk = shard_ids(run)[0]
    orphan = started_shard(pk)
    orphan._told = float("-inf")
    orphan.progress(7)
    run.refresh_from_db()
    assert run.done == 7
    assert runs.requeue(Shard.objects.get(pk=pk), "silent")
    run.refresh_from_db()
    assert run.done == 0
    heir = started_shard(pk)
    orphan._told = float("-inf")
    for write in (lambda: orphan.progress(8), orphan.finish, lambda: orphan.fail("x"), orphan.guard().__enter__):
        with pytest.raises(Superseded):
            write()
    assert not heir.finish()
    run.refresh_from_db()
    assert (run.status, run.shards_left, run.done) == (RunStatus.RUNNING, 2, 10)


def test_a_run_whose_closing_was_interrupted_is_closed_without_doing_the_shards_again() -> None:
    run = make_sharded(parts=1)
    assert started_shard(shard_ids(run)[0]).finish()  # … and here its worker is killed
    run.refresh_from_db()
    assert (run.status, run.shards_left) == (RunStatus.RUNNING, 0)
    assert runs.requeue(run, "silent")
    execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.DONE
    assert receipts(run) == ["open", "close", "ended done"]


def test_a_shard_is_forgiven_once_then_fails_its_run() -> None:
    run = make_sharded()
    pk = shard_ids(run)[0]
    for _ in range(2):
        assert runs.requeue(started_shard(pk).shard, "silent twice")
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.FAILED, "silent twice")


def test_trying_again_begins_from_the_start_without_old_shards() -> None:
    run = make_sharded(fail_at=0)
    with pytest.raises(runs.Failure):
        execute_shard(shard_ids(run)[0])
    again = runs.retry(run, None)
    assert not again.shards.exists()
    assert receipts(run) == ["open", "ended failed", "again"]


def test_a_shut_down_installation_requeues_its_shards_not_their_run() -> None:
    run = make_sharded()
    started_shard(shard_ids(run)[0])
    assert runs.requeue_interrupted() == 1
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    assert set(run.shards.values_list("status", flat=True)) == {RunStatus.QUEUED}


def test_a_shard_that_writes_all_the_time_still_says_how_far_it_is() -> None:
    run = make_sharded()
    handle = started_shard(shard_ids(run)[0])

    def told() -> bool:
        with handle.guard():
            pass
        handle.progress(5)
        return Run.objects.get(pk=run.pk).done == 5

    assert wait_until(told, 30)
