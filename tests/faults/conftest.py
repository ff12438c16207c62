"""Servers that a test may kill, sweepers as processes of their own, and runs that wait at a gate."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from apps.accounts.models import User
from apps.common import queues, runs
from apps.common.models import Run, RunStatus
from config.postgres import Postgres
from config.processes import end, wait_until
from config.redis_server import RedisServer
from tests.conftest import ROOT, process_environment
from tests.work.models import Receipt

RECOVER_SECONDS = 180


def until(condition: Callable[[], bool], seconds: float = RECOVER_SECONDS) -> None:
    assert wait_until(condition, seconds), "This did not come true in time."


class Job:
    """A run of the tests, followed from outside."""

    def __init__(self, gate: Path, kind: str = "test-steps", **params: object) -> None:
        self.gate = gate
        self.run = runs.create(
            organization=None, kind=kind, params={"steps": 4, "pause_at": 2, "gate": str(gate)} | params
        )
        runs.enqueue(self.run)

    def fresh(self) -> Run:
        self.run.refresh_from_db()
        return self.run

    def at_gate(self) -> list[int]:
        """The processes that have reached the gate."""
        return [
            int(path.suffix[1:]) for path in self.gate.parent.glob(f"{self.gate.stem}.*") if path.suffix[1:].isdigit()
        ]

    def wait_at_gate(self, count: int = 1) -> list[int]:
        until(lambda: len(self.at_gate()) >= count)
        return self.at_gate()

    def open(self) -> None:
        self.gate.touch()

    def wait_ended(self) -> Run:
        until(lambda: not self.fresh().is_active)
        return self.run

    def receipts(self) -> list[str]:
        return sorted(Receipt.objects.filter(run=self.run.pk).values_list("step", flat=True))

    def assert_done_once(self, attempts: int) -> None:
        run = self.wait_ended()
        assert (run.status, run.error, run.attempt) == (RunStatus.DONE, "", attempts)
        assert self.receipts() == ["0", "1", "2", "3", "ended done"]


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    made: list[Job] = []

    def make(kind: str = "test-steps", **params: object) -> Job:
        made.append(Job(tmp_path / f"gate{len(made)}", kind, **params))
        return made[-1]

    return make


class Sweeper:
    """A real `manage.py sweep`."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "sweep"],
                cwd=ROOT,
                env=process_environment(**environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def leads(self) -> bool:
        return "This sweeper leads" in self.output()

    def stop(self) -> None:
        end(self.process, signal.SIGTERM, 10)


@pytest.fixture
def start_sweeper(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Sweeper]]:
    started: list[Sweeper] = []

    def start(**environment: str) -> Sweeper:
        started.append(Sweeper(tmp_path / f"sweeper-{len(started)}.log", **environment))
        return started[-1]

    yield start
    for sweeper in started:
        sweeper.stop()


@pytest.fixture
def sweeper(start_sweeper: Callable[..., Sweeper]) -> Sweeper:
    started = start_sweeper()
    until(started.leads)
    return started


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    """A Redis of this test alone, used by this process and, by its URL, by the others."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    settings.RQ_QUEUES = {name: queue | {"URL": server.url()} for name, queue in settings.RQ_QUEUES.items()}
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_cluster(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Postgres]:
    """A cluster of these tests alone, with Winnow's tables."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            home = Path(cursor.fetchone()[0]).parent
        cluster = Postgres(home.with_name(f"postgres-own-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"), fast=True)
        shutil.rmtree(cluster.home, ignore_errors=True)
        cluster.start()
        try:
            cluster.create_database("winnow")
            with in_place_of_the_usual(cluster):
                migrate = [sys.executable, "manage.py", "migrate", "--run-syncdb", "-v0"]
                subprocess.run(migrate, cwd=ROOT, env=process_environment(), check=True)
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(cluster.home)


@contextmanager
def in_place_of_the_usual(cluster: Postgres) -> Iterator[None]:
    """The default database of this process, and of those it starts, is the cluster's."""
    connection.close()
    usual = connection.settings_dict
    connection.settings_dict = usual | {"NAME": "winnow", "HOST": str(cluster.socket), "USER": "postgres"}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = usual


@pytest.fixture
def own_postgres(own_cluster: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[Postgres]:
    """That cluster, empty again after the test, in the place of the default database."""
    with django_db_blocker.unblock(), in_place_of_the_usual(own_cluster):
        yield own_cluster
        for model in (Run, Receipt, User):
            model.objects.all().delete()
        with queues.connection() as redis:
            redis.flushdb()
