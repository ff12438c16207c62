"""Redis that is away or does not answer: the request succeeds all the same, and the sweeper is told."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.accounts.models import Organization, User
from apps.common import queues, runs, sweeper
from apps.common.models import RunStatus
from tests.common.test_runs import make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """It lets one connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture(params=["nobody listens", "nobody answers"])
def redis_away(request: pytest.FixtureRequest, silent_server: str, settings: Settings) -> Callable[[], None]:
    url = silent_server if request.param == "nobody answers" else "unix:///nowhere/redis.sock?db=0"
    usual, patience = settings.RQ_QUEUES, settings.QUEUE_TIMEOUT_SECONDS

    def back() -> None:
        settings.RQ_QUEUES, settings.QUEUE_TIMEOUT_SECONDS = usual, patience

    settings.QUEUE_TIMEOUT_SECONDS = 2
    settings.RQ_QUEUES = {name: queue | {"URL": url} for name, queue in usual.items()}
    return back


def test_a_request_for_a_run_succeeds_and_the_sweeper_enqueues_it_later(
    redis_away: Callable[[], None], organization: Organization, owner: User, client_of: Callable[[User], Client]
) -> None:
    run = runs.cancel(make_run(organization), owner)
    answer = client_of(owner).post(reverse("common:retry-run", args=["acme", run.uid]))
    assert answer.status_code == 302
    run.refresh_from_db()
    assert (run.status, run.enqueued_at) == (RunStatus.QUEUED, None)
    sweeper.sweep()
    run.refresh_from_db()
    assert run.enqueued_at is None
    redis_away()
    sweeper.sweep()
    run.refresh_from_db()
    assert run.enqueued_at is not None
    assert queues.unknown([run]) == []


def test_many_runs_wait_for_redis_no_longer_than_one(redis_away: Callable[[], None]) -> None:
    made = [make_run() for _ in range(50)]
    assert not queues.push(made)
    assert {run.status for run in made} == {RunStatus.QUEUED}


def test_a_run_that_is_rolled_back_is_never_enqueued() -> None:
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        runs.enqueue(make_run())
        raise ZeroDivisionError
    with queues.connection() as redis:
        assert redis.dbsize() == 0
