"""PostgreSQL is restarted under jobs, the sweeper and the web: they go on, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from config.postgres import Postgres
from config.processes import end, wait_until
from tests.conftest import ROOT, WorkerProcess, process_environment
from tests.faults.conftest import Job, Sweeper, until
from tests.faults.upprocess import free_port


@pytest.fixture
def transactional_db(own_postgres: Postgres) -> None:
    """In place of pytest-django's: the database of these tests is made for them and thrown away."""


Start = Callable[..., WorkerProcess]
Make = Callable[..., Job]


def restart(cluster: Postgres) -> None:
    """As an administrator does it: sessions are cut, then it takes a moment."""
    cluster.stop()
    connection.close()
    cluster.start()


@pytest.mark.usefixtures("nothing_is_stale")
def test_a_job_in_the_middle_of_its_work_goes_on_after_a_restart(
    own_postgres: Postgres, worker: WorkerProcess, sweeper: Sweeper, make_job: Make
) -> None:
    """Its heartbeats find the database away and try again; a training of hours must not be lost to this."""
    job = make_job()
    job.wait_at_gate()
    restart(own_postgres)
    job.open()
    job.assert_done_once(attempts=1)


def test_a_job_in_the_middle_of_a_transaction_is_begun_again(
    own_postgres: Postgres, worker: WorkerProcess, sweeper: Sweeper, make_job: Make
) -> None:
    job = make_job(pause_at=None, hang_at=2)
    job.wait_at_gate()
    restart(own_postgres)
    job.open()
    job.assert_done_once(attempts=2)


def test_the_sweeper_leads_again_after_a_restart(
    own_postgres: Postgres, worker: WorkerProcess, sweeper: Sweeper, make_job: Make
) -> None:
    restart(own_postgres)
    until(lambda: sweeper.output().count("This sweeper leads") == 2)
    job = make_job()
    [horse] = job.wait_at_gate()
    os.kill(horse, signal.SIGKILL)
    job.wait_at_gate(2)
    job.open()
    job.assert_done_once(attempts=2)


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """The real server with its pool of connections; the address it answers at."""
    port = free_port()
    site = {"PORT": str(port), "HOST": "127.0.0.1", "WEB_WORKERS": "1", "DATABASE_POOL": "true"}
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
            cwd=ROOT,
            env=process_environment(**site),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: status_of(f"{address}/healthz") == 200, 180), (tmp_path / "web.log").read_text()
        yield address
    finally:
        end(process, signal.SIGTERM, 10)


def status_of(url: str, cookie: str = "") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Cookie": cookie}), timeout=120) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_no_page_breaks_on_a_connection_that_a_restart_has_cut(own_postgres: Postgres, web: str) -> None:
    user = User.objects.create_superuser("root@example.com", "correct horse battery")
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"

    def ask_eight_at_once() -> list[int]:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda _: status_of(f"{web}/admin/common/run/", cookie), range(8)))

    assert ask_eight_at_once() == [200] * 8
    restart(own_postgres)
    assert ask_eight_at_once() == [200] * 8
