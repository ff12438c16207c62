"""The sweeper: silent runs, lost queue entries, chores, and that one of several acts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import rq
from django.conf import settings
from django.db.models.functions import Now

from apps.common import queues, runs, sweeper
from apps.common.jobs import execute
from apps.common.models import Run, RunStatus, Shard
from config.processes import wait_until
from tests.common.test_runs import make_run, receipts, started
from tests.common.test_shards import make_sharded, shard_ids, started_shard

pytestmark = pytest.mark.django_db(transaction=True)


def silence(item: Run | Shard) -> None:
    """As if nothing had been heard for longer than a run may be silent."""
    past = Now() - timedelta(seconds=settings.RUN_STALE_SECONDS + 1)
    type(item)._default_manager.filter(pk=item.pk).update(heartbeat_at=past)


def waiting(queue: str) -> list[str]:
    with queues.connection() as redis:
        return [str(job) for job in rq.Queue(settings.QUEUES[queue], connection=redis).job_ids]


def test_a_silent_run_is_requeued_then_failed_with_a_message() -> None:
    run = make_run()
    for status in (RunStatus.QUEUED, RunStatus.FAILED):
        silence(started(run).run)
        sweeper.requeue_stale()
        run.refresh_from_db()
        assert run.status == status
    assert "stopped answering" in run.error


def test_a_run_that_is_heard_of_is_left_alone() -> None:
    run = make_run()
    started(run)
    sweeper.requeue_stale()
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING


def test_a_run_whose_shards_wait_for_workers_is_not_silent() -> None:
    run = make_sharded()
    silence(run)
    sweeper.requeue_stale()
    run.refresh_from_db()
    assert (run.status, run.attempt) == (RunStatus.RUNNING, 1)


def test_a_silent_shard_is_requeued_and_put_on_its_queue() -> None:
    run = make_sharded(parts=1)
    shard = started_shard(shard_ids(run)[0]).shard
    silence(shard)
    sweeper.requeue_stale()
    assert Shard.objects.get(pk=shard.pk).status == RunStatus.QUEUED
    assert f"{settings.RQ_PREFIX}shard-{shard.pk}-1" in waiting("inference")


def test_a_run_is_put_on_its_queue_when_it_commits() -> None:
    run = make_run()
    runs.enqueue(run)
    assert waiting("default") == [f"{settings.RQ_PREFIX}run-{run.pk}-0"]
    run.refresh_from_db()
    assert run.enqueued_at is not None


def test_a_run_that_redis_has_forgotten_is_put_on_its_queue_again() -> None:
    run = make_run()
    runs.enqueue(run)
    with queues.connection() as redis:
        redis.flushdb()
    Run.objects.update(enqueued_at=Now() - timedelta(seconds=settings.SWEEP_SECONDS + 1))
    sweeper.enqueue_lost()
    assert waiting("default") == [f"{settings.RQ_PREFIX}run-{run.pk}-0"]


def test_a_run_that_redis_knows_is_not_put_there_twice() -> None:
    run = make_run()
    runs.enqueue(run)
    Run.objects.update(enqueued_at=Now() - timedelta(seconds=settings.SWEEP_SECONDS + 1))
    sweeper.enqueue_lost()
    assert len(waiting("default")) == 1


def test_shards_that_redis_has_forgotten_are_put_there_again() -> None:
    run = make_sharded()
    with queues.connection() as redis:
        redis.flushdb()
    Shard.objects.update(enqueued_at=None)
    sweeper.enqueue_lost()
    assert len(waiting("inference")) == 3
    assert len(receipts(run)) == 1


def test_a_job_that_writes_at_this_moment_is_not_taken_away() -> None:
    """The sweeper does not wait for the job's transaction either."""
    import threading

    from django.db import connection

    handle = started(make_run())
    silence(handle.run)
    answers: list[bool] = []

    def elsewhere() -> None:
        answers.append(runs.requeue(handle.run, "silent"))
        connection.close()

    with handle.guard():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        # `hold` of the other thread and the job's guard are different locks: it returns while the guard is open.
        thread.join(10)
        assert answers == [False]
    handle.finish()


def test_a_chore_that_fails_leaves_the_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    chores = {"break": lambda: 1 / 0, "tidy": lambda: called.append("tidy")}
    monkeypatch.setattr(sweeper, "CHORES", chores)
    sweeper.sweep()
    assert called == ["tidy"]


def test_after_a_pause_of_its_own_the_sweeper_gives_the_living_time_to_be_heard_of(settings: Any) -> None:
    settings.RUN_HEARTBEAT_SECONDS = 0.2
    watch = sweeper.Watch()
    assert not watch.may_judge()
    assert wait_until(watch.may_judge, 30)
    watch.note()
    assert watch.may_judge()
    watch._last -= timedelta(seconds=settings.RUN_STALE_SECONDS + 1)  # type: ignore[operator]
    assert not watch.may_judge()
    assert wait_until(watch.may_judge, 30)


def test_a_sweep_that_does_not_judge_leaves_silent_runs_and_does_the_rest() -> None:
    silent, waiting_run = make_run(), make_run()
    silence(started(silent).run)
    sweeper.sweep(judges=False)
    silent.refresh_from_db()
    assert silent.status == RunStatus.RUNNING
    assert f"{settings.RQ_PREFIX}run-{waiting_run.pk}-0" in waiting("default")
    sweeper.sweep()
    silent.refresh_from_db()
    assert silent.status == RunStatus.QUEUED


def test_of_two_sweepers_one_leads_until_it_resigns() -> None:
    first, second = sweeper.Leader(), sweeper.Leader()
    try:
        assert first.leads() and first.leads()
        assert not second.leads()
        first.resign()
        assert second.leads()
        assert not first.leads()
    finally:
        first.resign()
        second.resign()


def test_a_leader_whose_session_is_cut_is_no_leader_until_it_has_the_lock_again() -> None:
    from django.db import connection

    first, second = sweeper.Leader(), sweeper.Leader()
    try:
        assert first.leads()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        assert second.leads()
        assert not first.leads()
    finally:
        first.resign()
        second.resign()


def test_a_finished_run_is_not_swept() -> None:
    run = make_run()
    execute(run.pk)
    silence(run)
    sweeper.sweep()
    run.refresh_from_db()
    assert (run.status, run.attempt) == (RunStatus.DONE, 1)
