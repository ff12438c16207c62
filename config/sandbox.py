"""A Winnow of its own for one command: database, queues, files and workers, gone when the command ends."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.fernet import Fernet
from django.conf import settings
from psycopg import sql

from config.processes import end, kill_all, session_members
from config.services import Postgres, RedisServer, ServiceError, check_database, check_redis, home_of

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 3
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Sandbox:
    """Uses the servers that DATABASE_URL and REDIS_URL name, else its own; those of a `make up` are not touched."""

    def __init__(self, name: str, workers: Sequence[Sequence[str]], *, keep: bool, more: Mapping[str, str]) -> None:
        self.id = f"{name}-{secrets.token_hex(4)}"
        self.folder: Path = settings.VAR_DIR / self.id
        self.workers = workers
        self.keep = keep
        self.more = dict(more)
        self.environment: dict[str, str] = {}
        self.postgres: Postgres | None = None
        self.redis: RedisServer | None = None
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Sandbox:
        self.folder.mkdir(parents=True)
        self._on_term = signal.signal(signal.SIGTERM, _leave)
        with ExitStack() as undo:
            undo.callback(self._stop)
            self._start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, *arguments: str) -> int:
        """A management command inside; an interrupt reaches it too, and its exit code comes back."""
        child: subprocess.Popen[bytes] | None = None
        try:
            with _ending_later():
                child = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment)
            return child.wait()
        finally:
            if child:
                end(child, signal.SIGINT, STOP_SECONDS)

    def _start(self) -> None:
        database, redis_url = self._database(), self._redis()
        outside = {name: value for name, value in os.environ.items() if not name.startswith("S3_")}
        self.environment = outside | {
            "WINNOW_VAR": str(self.folder),
            "DATABASE_URL": database,
            "DATABASE_POOL": "false",
            "REDIS_URL": redis_url,
            "RQ_PREFIX": f"{self.id}-",
            "MEDIA_ROOT": str(self.folder / "media"),
            "MODELS_ROOT": str(self.folder / "models"),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "PYTHONUNBUFFERED": "1",
            **self.more,
        }
        self._migrate()
        for number, queues in enumerate(self.workers):
            names = [f"{self.id}-{queue}" for queue in queues]
            self._spawn(f"worker-{number}", "rqworker", *names)
        self._spawn("sweep", "sweep")

    def _database(self) -> str:
        if not settings.DATABASE_URL_NAMED:
            home = home_of(self.folder, is_default=True)
            if self.keep and self.folder not in home.parents:
                raise ServiceError(f"PostgreSQL cannot be kept under {self.folder}: set WINNOW_VAR to another folder.")
            self.postgres = Postgres(home, fast=True)
            self.postgres.start()
            return self.postgres.create_database("winnow")
        check_database(settings.DATABASE_URL_NAMED)
        self._administer("CREATE DATABASE {}")
        return urlunsplit(urlsplit(settings.DATABASE_URL_NAMED)._replace(path=f"/{self.id}"))

    def _redis(self) -> str:
        if not settings.REDIS_URL_NAMED:
            self.redis = RedisServer(self.folder / "redis")
            self.redis.start()
            return self.redis.url()
        check_redis(settings.REDIS_URL_NAMED)
        return str(settings.REDIS_URL_NAMED)

    def _administer(self, statement: str) -> None:
        with psycopg.connect(settings.DATABASE_URL_NAMED, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.id)))

    def _migrate(self) -> None:
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServiceError(f"The database could not be prepared: {done.stderr.strip().splitlines()[-1:]}")

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log, _ending_later():
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.processes.append(process)

    def _stop(self) -> None:
        """What was started is stopped and what was made removed, but for what is to be kept."""
        signal.signal(signal.SIGTERM, self._on_term)
        for process in self.processes:
            kill_all(session_members(process.pid), seconds=STOP_SECONDS)
            process.wait()
        if self.redis:
            self.redis.stop()
        if self.postgres:
            self.postgres.stop()
        if self.keep:
            return
        if self.postgres:
            shutil.rmtree(self.postgres.home, ignore_errors=True)
            if self.folder not in self.postgres.home.parents:
                self.postgres.home.parent.rmdir()
        elif settings.DATABASE_URL_NAMED:
            self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        shutil.rmtree(self.folder, ignore_errors=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the command as Ctrl-C does, with everything that was started."""
    raise SystemExit(128 + number)


@contextmanager
def _ending_later() -> Iterator[None]:
    """SIGTERM and Ctrl-C wait: what is being started must be known first, or nobody would stop it."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in _ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in came[:1]:
        signal.raise_signal(number)
