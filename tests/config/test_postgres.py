"""The embedded PostgreSQL on folders of every state."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.postgres import ELSEWHERE, Postgres, closed_folder, home_of
from config.processes import SOCKET_PATH_LIMIT, ServiceError, wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL can reach, which pytest's own are not for root."""
    made = Path(tempfile.mkdtemp(prefix="winnow-pg-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder / "postgres", fast=True)
    yield server
    server.stop()


def test_data_outlives_a_stop(postgres):
    postgres.start()
    with psycopg.connect(postgres.create_database("kept")) as connection:
        connection.execute("CREATE TABLE fact AS SELECT 42 AS answer")
    postgres.stop()
    postgres.start()
    with psycopg.connect(postgres.create_database("kept")) as connection:
        assert connection.execute("SELECT answer FROM fact").fetchone() == (42,)


def test_a_server_that_a_killed_owner_left_is_stopped_first(postgres):
    postgres.start()
    left = psutil.Process(postgres.process.pid)
    successor = Postgres(postgres.home, fast=True)
    try:
        successor.start()
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        psycopg.connect(successor.url("postgres")).close()
    finally:
        successor.stop()


def test_a_killed_server_and_its_stale_pid_file_are_no_obstacle(postgres):
    postgres.start()
    backends = psutil.Process(postgres.process.pid).children(recursive=True)
    postgres.process.kill()
    postgres.process.wait()
    assert (postgres.data / "postmaster.pid").exists()
    assert wait_until(lambda: not any(backend.is_running() for backend in backends), 30)
    successor = Postgres(postgres.home, fast=True)
    successor.start()
    successor.stop()


def test_an_interrupted_initialization_is_made_anew(postgres):
    postgres.start()
    postgres.stop()
    postgres.data.rename(postgres.home / "data.new")
    (postgres.home / "data.new" / "PG_VERSION").unlink()
    postgres.start()
    psycopg.connect(postgres.url("postgres")).close()


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(folder):
    server = Postgres(folder / ("long" * 25) / "postgres", fast=True)
    try:
        server.start()
        assert len(str(server.socket)) < SOCKET_PATH_LIMIT
        assert server.socket != server.home
        assert server.socket.stat().st_mode & 0o777 == 0o700
        psycopg.connect(server.url("postgres")).close()
    finally:
        server.stop()
        shutil.rmtree(server.socket)


def test_a_server_that_cannot_start_says_why(postgres):
    postgres.prepare()
    postgres.options["max_connections"] = "none"
    with pytest.raises(ServiceError, match='invalid value for parameter "max_connections"'):
        postgres.start()


def test_a_data_folder_of_another_version_is_refused(postgres):
    postgres.data.mkdir(parents=True)
    shutil.chown(postgres.home, postgres.account.pw_uid if postgres.account else os.geteuid())
    (postgres.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(ServiceError, match="is of PostgreSQL 16, this Winnow brings 18"):
        postgres.prepare()


def test_a_folder_that_the_servers_user_cannot_reach_is_refused_and_not_loosened(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres")
    server.account = next(entry for entry in pwd.getpwall() if entry.pw_uid not in {0, os.geteuid()})
    with pytest.raises(ServiceError, match=f"may not enter {closed}: set WINNOW_VAR"):
        server.prepare()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert not server.home.exists()


def test_programs_that_the_servers_user_cannot_reach_are_copied_beside_the_data(folder, monkeypatch):
    wheel = folder / "closed" / "wheel"
    (wheel / "bin").mkdir(parents=True)
    (wheel / "bin" / "postgres").write_text("the program")
    monkeypatch.setattr("config.postgres._wheel", lambda: wheel)
    server = Postgres(folder / "postgres")
    server.account = next(entry for entry in pwd.getpwall() if entry.pw_uid not in {0, os.geteuid()})
    assert server._binary("postgres") == str(wheel / "bin" / "postgres")
    (folder / "closed").chmod(0o700)
    copied = Path(server._binary("postgres"))
    assert copied.is_relative_to(server.home) and copied.read_text() == "the program"
    assert server._binary("postgres") == str(copied)


def test_the_cluster_lives_under_var_unless_only_root_may_enter_it(folder):
    assert home_of(folder, is_default=False) == folder / "postgres"
    assert home_of(folder, is_default=True) == folder / "postgres"
    folder.chmod(0o700)
    expected = folder if os.geteuid() else ELSEWHERE
    assert home_of(folder, is_default=True).is_relative_to(expected)


def test_the_outermost_closed_folder_is_named(folder):
    account = next(entry for entry in pwd.getpwall() if entry.pw_uid not in {0, os.geteuid()})
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a").chmod(0o700)
    assert closed_folder(folder / "a" / "b", account) == folder / "a"
    (folder / "a").chmod(0o711)
    assert closed_folder(folder / "a" / "b", account) is None
