"""A run's life: asked for, started, reported, ended; and what a superseded attempt may not do."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.jobs import execute
from apps.common.kinds import KINDS
from apps.common.models import Run, RunStatus
from config.processes import wait_until
from tests.work.models import Receipt

pytestmark = pytest.mark.django_db


def make_run(organization: Organization | None = None, kind: str = "test-steps", **params: object) -> Run:
    return runs.create(organization=organization, kind=kind, params={"steps": 3} | params)


def started(run: Run) -> runs.Handle:
    handle = runs.start(run.pk)
    assert handle is not None
    return handle


def receipts(run: Run) -> list[str]:
    return list(Receipt.objects.filter(run=run.pk).order_by("pk").values_list("step", flat=True))


def test_a_run_is_done_with_its_result_and_its_count() -> None:
    run = make_run()
    execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.done, run.total, run.attempt) == (RunStatus.DONE, 3, 3, 1)
    assert run.result == {"steps": 3}
    assert receipts(run) == ["0", "1", "2", "ended done"]


def test_a_run_that_nobody_registered_cannot_be_asked_for() -> None:
    with pytest.raises(LookupError, match="brewing"):
        runs.create(organization=None, kind="brewing")


def test_two_apps_cannot_register_one_kind() -> None:
    with pytest.raises(ImproperlyConfigured, match="test-steps"):
        runs.register(kind="test-steps", queue="default", job="x.y", label="Other")


def test_every_registered_function_can_be_imported() -> None:
    from django.utils.module_loading import import_string

    paths = [path for kind in KINDS.values() for path in kind.functions]
    assert all(callable(import_string(path)) for path in paths)


def test_a_queued_run_is_started_once() -> None:
    run = make_run()
    assert runs.start(run.pk) is not None
    assert runs.start(run.pk) is None


def test_a_second_delivery_of_the_same_run_does_nothing() -> None:
    run = make_run()
    execute(run.pk)
    execute(run.pk)
    assert receipts(run) == ["0", "1", "2", "ended done"]


def test_an_unexpected_error_fails_the_run_and_reaches_the_queue() -> None:
    run = make_run(kind="test-failing")
    with pytest.raises(ZeroDivisionError):
        execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.error == "An unexpected error stopped this: ZeroDivisionError: last line"
    assert "in failing" in run.trace


def test_an_expected_failure_is_shown_in_its_own_words() -> None:
    run = make_run(kind="test-failing", expected=True)
    with pytest.raises(runs.Failure):
        execute(run.pk)
    run.refresh_from_db()
    assert run.error == "The third image cannot be read."


@pytest.mark.parametrize("write", ["progress", "beat", "finish", "fail", "guard", "count", "open_shards"])
def test_a_superseded_attempt_cannot_write(write: str) -> None:
    run = make_run()
    orphan = started(run)
    assert runs.requeue(orphan.run, "no heartbeat")
    heir = started(run)
    orphan._written = orphan._told = float("-inf")  # no throttling
    writes = {
        "progress": lambda: orphan.progress(99),
        "beat": orphan.beat,
        "finish": lambda: orphan.finish({"by": "orphan"}),
        "fail": lambda: orphan.fail("by the orphan"),
        "guard": orphan.guard().__enter__,
        "count": lambda: orphan.count(steps=1),
        "open_shards": lambda: orphan.open_shards([runs.Part()]),
    }
    with pytest.raises(runs.Superseded), transaction.atomic():
        writes[write]()
    run.refresh_from_db()
    assert (run.status, run.attempt, run.done, run.error, run.result) == (RunStatus.RUNNING, 2, 0, "", {})
    assert not run.shards.exists()
    heir.finish({"by": "heir"})
    assert heir.run.result == {"by": "heir"}


def test_a_canceled_run_stops_its_job_at_the_next_write(owner: User) -> None:
    handle = started(make_run(owner.memberships.get().organization))
    runs.cancel(handle.run, owner)
    with pytest.raises(runs.Canceled):
        handle.progress(1, phase="next")
    handle.run.refresh_from_db()
    assert (handle.run.status, handle.run.error) == (RunStatus.CANCELED, "Canceled by Owner.")
    assert receipts(handle.run) == ["ended canceled"]


def test_a_canceled_run_is_not_started_by_its_queue_entry() -> None:
    run = make_run()
    runs.cancel(run, None)
    execute(run.pk)
    assert receipts(run) == ["ended canceled"]


def test_what_has_ended_cannot_be_canceled() -> None:
    run = make_run()
    execute(run.pk)
    with pytest.raises(Conflict, match="already ended"):
        runs.cancel(run, None)
    run.refresh_from_db()
    assert run.status == RunStatus.DONE


def test_a_failed_run_is_tried_again_from_the_start(owner: User) -> None:
    run = make_run(kind="test-failing", expected=True)
    with pytest.raises(runs.Failure):
        execute(run.pk)
    again = runs.retry(run, owner)
    assert (again.pk, again.status, again.error, again.ended_at) == (run.pk, RunStatus.QUEUED, "", None)
    assert again.requested_by == owner
    assert started(again).attempt == 2


@pytest.mark.parametrize("status", ["queued", "running", "done"])
def test_only_what_failed_or_was_canceled_is_tried_again(status: str) -> None:
    run = make_run()
    if status == "running":
        started(run)
    if status == "done":
        execute(run.pk)
    with pytest.raises(Conflict):
        runs.retry(run, None)
    run.refresh_from_db()
    assert run.status == status


def test_an_interrupted_run_is_forgiven_once() -> None:
    run = make_run()
    assert runs.requeue(started(run).run, "silent")
    second = started(run).run
    assert runs.requeue(second, "silent twice")
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.FAILED, "silent twice")
    assert receipts(run) == ["ended failed"]


def test_stopping_the_server_is_always_forgiven() -> None:
    run = make_run()
    for attempt in (1, 2, 3):
        assert started(run).attempt == attempt
        assert runs.requeue_interrupted() == 1
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


def test_another_installations_runs_are_left_alone() -> None:
    run = make_run()
    started(run)
    Run.objects.update(holder="elsewhere:/srv/winnow")
    assert runs.requeue_interrupted() == 0
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING


def test_time_left_comes_from_the_pace_of_the_phase() -> None:
    handle = started(make_run())
    handle.progress(25, 100, "predicting")
    run = Run.objects.get(pk=handle.run.pk)
    assert run.phase_at is not None
    from datetime import timedelta

    assert run.time_left(run.phase_at + timedelta(seconds=10)) == timedelta(seconds=30)
    assert Run(status=RunStatus.RUNNING).time_left() is None


def test_progress_is_not_written_at_every_call() -> None:
    handle = started(make_run())
    handle.progress(1, 10, "counting")
    handle._told = float("inf")  # however slow this machine is, the next second has not come
    for number in range(2, 10):
        handle.progress(number)
    assert Run.objects.get(pk=handle.run.pk).done == 1


def test_a_job_that_writes_all_the_time_still_says_how_far_it_is() -> None:
    handle = started(make_run())

    def told() -> bool:
        with handle.guard():
            pass
        handle.progress(5)
        return Run.objects.get(pk=handle.run.pk).done == 5

    assert wait_until(told, 30)
