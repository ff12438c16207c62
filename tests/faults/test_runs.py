"""Workers, work-horses and servers are killed in the middle of jobs: no run is lost, no step is done twice."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

import psutil
import pytest

from apps.common import runs
from apps.common.models import RunStatus
from config.redis_server import RedisServer
from tests.conftest import WorkerProcess
from tests.faults.conftest import Job, Sweeper, until
from tests.work.models import Receipt

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., WorkerProcess]
Make = Callable[..., Job]


@pytest.mark.usefixtures("nothing_is_stale")
def test_the_job_of_a_killed_worker_goes_on_to_its_end(worker: WorkerProcess, sweeper: Sweeper, make_job: Make) -> None:
    job = make_job()
    [horse] = job.wait_at_gate()
    worker.kill()
    assert psutil.pid_exists(horse)
    job.open()
    job.assert_done_once(attempts=1)


def test_the_job_of_a_killed_work_horse_is_begun_again(worker: WorkerProcess, sweeper: Sweeper, make_job: Make) -> None:
    job = make_job()
    [horse] = job.wait_at_gate()
    os.kill(horse, signal.SIGKILL)
    job.wait_at_gate(2)
    job.open()
    job.assert_done_once(attempts=2)
    assert job.run.requeues == 1


def test_a_job_whose_machine_went_down_is_done_by_another_worker(
    start_worker: Start, sweeper: Sweeper, make_job: Make
) -> None:
    first = start_worker()
    job = make_job()
    [horse] = job.wait_at_gate()
    first.kill()
    os.kill(horse, signal.SIGKILL)
    start_worker()
    job.open()
    job.assert_done_once(attempts=2)


def test_a_job_that_kills_its_work_horse_every_time_is_failed_with_a_message(
    worker: WorkerProcess, sweeper: Sweeper, make_job: Make
) -> None:
    job = make_job()
    for attempt in (1, 2):
        for horse in set(job.wait_at_gate(attempt)):
            if psutil.pid_exists(horse):
                os.kill(horse, signal.SIGKILL)
    run = job.wait_ended()
    assert run.status == RunStatus.FAILED
    assert "stopped answering, twice" in run.error
    other = make_job(pause_at=None)
    other.assert_done_once(attempts=1)


def test_an_orphan_that_wakes_up_after_it_was_superseded_writes_nothing(
    start_worker: Start, sweeper: Sweeper, make_job: Make
) -> None:
    first = start_worker()
    job = make_job()
    [orphan] = job.wait_at_gate()
    first.kill()  # before the next line: the system hangs up on a stopped process whose parent dies
    os.kill(orphan, signal.SIGSTOP)
    start_worker()
    [heir] = set(job.wait_at_gate(2)) - {orphan}
    job.open()
    job.assert_done_once(attempts=2)
    os.kill(orphan, signal.SIGCONT)
    until(lambda: not psutil.pid_exists(orphan))
    job.assert_done_once(attempts=2)
    assert set(Receipt.objects.filter(run=job.run.pk, step__in=["2", "3"]).values_list("pid", flat=True)) == {heir}


def test_a_job_that_hangs_in_the_middle_of_a_transaction_does_not_keep_its_run(
    start_worker: Start, sweeper: Sweeper, make_job: Make
) -> None:
    first = start_worker()
    job = make_job(pause_at=None, hang_at=2)
    [orphan] = job.wait_at_gate()
    first.kill()
    os.kill(orphan, signal.SIGSTOP)
    start_worker()
    job.wait_at_gate(2)
    job.open()
    job.assert_done_once(attempts=2)
    os.kill(orphan, signal.SIGCONT)
    until(lambda: not psutil.pid_exists(orphan))
    job.assert_done_once(attempts=2)


def test_jobs_survive_the_death_of_redis(
    own_redis: RedisServer,
    start_worker: Start,
    start_sweeper: Callable[..., Sweeper],
    make_job: Make,
) -> None:
    """One in the middle of its work, one that waits in a queue that is lost, one asked for while Redis is away."""
    start_sweeper(REDIS_URL=own_redis.url())
    start_worker("default", REDIS_URL=own_redis.url())
    working = make_job()
    working.wait_at_gate()
    waiting = make_job(pause_at=None)
    assert own_redis.process is not None
    own_redis.process.kill()
    own_redis.process.wait()
    shutil.rmtree(own_redis.home)
    requested = make_job(pause_at=None)
    assert requested.fresh().status == RunStatus.QUEUED and requested.run.enqueued_at is None
    working.open()
    working.assert_done_once(attempts=1)
    own_redis.start()
    # A worker that misses Redis while it watches a work-horse ends, and its supervisor starts another.
    start_worker("default", REDIS_URL=own_redis.url())
    waiting.assert_done_once(attempts=1)
    requested.assert_done_once(attempts=1)


def test_two_sweepers_share_the_work_and_one_acts(
    start_sweeper: Callable[..., Sweeper], worker: WorkerProcess, make_job: Make
) -> None:
    first = start_sweeper()
    until(first.leads)
    second = start_sweeper()
    job = make_job()
    [horse] = job.wait_at_gate()
    os.kill(horse, signal.SIGKILL)
    job.wait_at_gate(2)
    assert not second.leads()
    first.process.kill()
    until(second.leads)
    job.open()
    job.assert_done_once(attempts=2)


def test_shards_are_done_once_though_a_work_horse_dies(start_worker: Start, sweeper: Sweeper, make_job: Make) -> None:
    start_worker("training", "inference")
    start_worker("inference")
    job = make_job("test-parts", parts=4)
    horses = job.wait_at_gate(2)
    os.kill(horses[0], signal.SIGKILL)
    job.open()
    run = job.wait_ended()
    assert (run.status, run.error, run.done, run.shards_left) == (RunStatus.DONE, "", 40, 0)
    assert job.receipts() == ["close", "ended done", "open", "part 0", "part 1", "part 2", "part 3"]


def test_what_a_shutdown_interrupted_goes_on_at_the_next_start(start_worker: Start, make_job: Make) -> None:
    """No sweeper runs here: it is the start itself that gives the run back."""
    first = start_worker()
    job = make_job()
    job.wait_at_gate()
    first.stop()
    assert runs.requeue_interrupted() == 1
    start_worker()
    job.open()
    job.assert_done_once(attempts=2)
    assert job.run.requeues == 1
