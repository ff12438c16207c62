"""`manage.py up` with real processes: serves, outlives its children's deaths, leaves nothing, says what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis
import rq
from psycopg import sql

from config.postgres import Postgres
from config.processes import wait_until
from tests.faults.upprocess import ROOT, UpProcess, command_of, environment, processes_of, refusal

RECOVER_SECONDS = 120


def _reachable_folder() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL can reach, which pytest's own are not for root."""
    folder = Path(tempfile.mkdtemp(prefix="winnow-up-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


var = pytest.fixture(_reachable_folder, name="var")
shared_var = pytest.fixture(_reachable_folder, name="shared_var", scope="module")


@pytest.fixture
def start(var: Path, tmp_path: Path) -> Iterator[Callable[..., UpProcess]]:
    started: list[UpProcess] = []

    def begin(**more: str) -> UpProcess:
        started.append(UpProcess(var, tmp_path / f"up-{len(started)}.log", **more))
        started[-1].wait_ready()
        return started[-1]

    yield begin
    for up in started:
        up.stop()


@pytest.fixture(scope="module")
def running(shared_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    """One `up` for the tests that leave it as it was."""
    up = UpProcess(shared_var, tmp_path_factory.mktemp("up") / "log")
    try:
        up.wait_ready()
        yield up
    finally:
        up.stop()


def test_a_second_up_finds_accounts_and_keys_as_they_were(start, var):
    first = start()
    password = first.password()
    assert first.get("/accounts/login/")[0] == 200
    assert wait_until(first.is_ready, RECOVER_SECONDS), first.get("/readyz")
    assert first.logs_in("owner@example.com", password)
    assert not first.logs_in("owner@example.com", "not the password")
    keys = [(var / name).read_bytes() for name in ("secret_key", "field_encryption_key")]
    first.interrupt()
    assert processes_of(var) == []

    second = start()
    assert "password" not in second.output()
    assert second.logs_in("owner@example.com", password)
    assert keys == [(var / name).read_bytes() for name in ("secret_key", "field_encryption_key")]


def test_keys_and_data_are_for_their_owner_alone(running):
    for name in ("secret_key", "field_encryption_key", "database_url", "redis_url"):
        assert (running.var / name).stat().st_mode & 0o777 == 0o600
    for name in ("postgres", "redis"):
        assert (running.var / name).stat().st_mode & 0o077 == 0


def test_dead_children_are_started_again(running):
    up = running
    for text in ("redis-server", "rqworker", "manage.py sweep", "bin/postgres", "gunicorn"):
        assert wait_until(lambda name=text: bool(up.named(name)), RECOVER_SECONDS), up.output()
        before = min(up.named(text), key=lambda process: process.create_time())
        before.kill()
        assert wait_until(lambda old=before, name=text: _replaced(up, old, name), RECOVER_SECONDS), up.output()
        assert wait_until(up.is_ready, RECOVER_SECONDS), f"after {text}: {up.get('/readyz')} {up.output()}"


def _replaced(up: UpProcess, old: psutil.Process, text: str) -> bool:
    return not old.is_running() and any(process.create_time() >= old.create_time() for process in up.named(text))


def test_the_next_up_ends_what_a_killed_one_left(start, var):
    first = start()
    first.process.kill()
    first.process.wait()
    left = {process.pid for process in processes_of(var)}
    assert {"web", "worker"} <= {_kind(process) for process in processes_of(var)}
    second = start()
    assert wait_until(second.is_ready, RECOVER_SECONDS), second.output()
    assert not left & {process.pid for process in processes_of(var)}
    # Twice, as an impatient user does it.
    second.process.send_signal(signal.SIGINT)
    second.interrupt()
    assert processes_of(var) == []


def _kind(process: psutil.Process) -> str:
    line = command_of(process)
    return "web" if "gunicorn" in line else "worker" if "rqworker" in line else line


@pytest.fixture
def named_services() -> Iterator[dict[str, str]]:
    """A new database and a Redis database on servers that `up` did not start."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"named_{os.environ['RQ_PREFIX'].replace('-', '_')}up"
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield {"DATABASE_URL": url._replace(path=f"/{name}").geturl(), "REDIS_URL": os.environ["REDIS_URL"]}
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_named_services_are_used_and_a_job_in_progress_does_not_keep_up_from_ending(start, var, named_services):
    up = start(**named_services)
    assert wait_until(up.is_ready, RECOVER_SECONDS), up.output()
    assert not (var / "postgres").exists() and not (var / "redis").exists()
    code = "import time\nfor _ in range(600): time.sleep(1)"
    with redis.Redis.from_url(named_services["REDIS_URL"]) as connection:
        rq.Queue("default", connection=connection).enqueue(subprocess.check_call, [sys.executable, "-c", code])
    assert wait_until(lambda: len(up.named("for _ in range(600)")) == 1, RECOVER_SECONDS)
    up.interrupt()
    assert processes_of(var) == []
    assert redis.Redis.from_url(named_services["REDIS_URL"]).ping()


def _count_accounts(var: Path) -> subprocess.CompletedProcess[str]:
    code = "from apps.accounts.models import User; print(User.objects.count(), 'accounts')"
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment(var, 8000), capture_output=True, text=True, check=False)


def test_other_commands_find_what_up_runs(running):
    assert _count_accounts(running.var).stdout.strip() == "1 accounts"


def test_other_commands_say_so_when_nothing_runs(var):
    done = _count_accounts(var)
    assert done.returncode == 1
    assert "run `make up`" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_second_up_on_the_same_folder_is_refused(running):
    assert f"already runs from this folder (process {running.process.pid})" in refusal(running.var)
    assert wait_until(running.is_ready, RECOVER_SECONDS)


def test_a_port_in_use_is_named(var):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refusal(var, PORT=str(port))
    assert f"127.0.0.1:{port}" in line and f"PORT={port + 1}" in line


def test_a_data_folder_of_another_postgresql_is_named(var):
    postgres = Postgres(var / "postgres")
    postgres.prepare()
    (postgres.data / "PG_VERSION").write_text("15\n")
    line = refusal(var)
    assert "PostgreSQL 15" in line and str(postgres.data) in line
    assert processes_of(var) == []


def test_an_unreachable_database_is_named_without_its_password(var):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        line = refusal(var, DATABASE_URL=f"postgresql://someone:hidden@127.0.0.1:{port}/winnow")
    assert "DATABASE_URL" in line and "refused" in line and str(port) in line
    assert "hidden" not in line


def test_an_unreachable_redis_is_named(var):
    assert "REDIS_URL" in refusal(var, DATABASE_URL=os.environ["DATABASE_URL"], REDIS_URL="redis://127.0.0.1:1/0")


def test_a_full_disk_is_named(var):
    assert "No room" in refusal(var, MIN_FREE_MB=str(10**9))


def test_a_bad_setting_is_named(var):
    assert (
        refusal(var, WEB_WORKERS="1", SWEEP_SECONDS="often") == "Settings: SWEEP_SECONDS must be a number, not 'often'."
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "WINNOW_VAR" in refusal(tmp_path / "file" / "var")
