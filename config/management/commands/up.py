"""manage.py up: the whole product on this machine, until Ctrl-C."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import env
from config.keys import make_keys, write_private
from config.processes import Register, end
from config.services import Lock, Postgres, RedisServer, ServiceError, check_database, check_redis, home_of
from config.supervisor import ROOT, Child, Supervisor, command, say

WEB_SECONDS = 180


class Command(BaseCommand):
    help = "Serve Winnow: database, queue, web, workers and sweeper. Ctrl-C stops everything."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            Up(settings.VAR_DIR).run()
        except ServiceError as error:
            raise CommandError(str(error)) from None


class Up:
    """One run of the product."""

    def __init__(self, var: Path) -> None:
        self.var = var
        log_format = "text" if sys.stdout.isatty() else "json"
        self.environment = {"LOG_FORMAT": log_format} | os.environ | {"PYTHONUNBUFFERED": "1"}
        self.owned: list[Postgres | RedisServer] = []

    def run(self) -> None:
        make_var(self.var)
        lock = Lock(self.var / "up.lock", "Winnow already runs from this folder (process {pid}): stop that one first.")
        register = Register(self.var / "children.json")
        if ended := register.end_all():
            say("up", f"ended {ended} processes that an interrupted run had left")
        check_port(settings.HOST, settings.PORT)
        supervisor = Supervisor(register)
        supervisor.listen()
        try:
            self._start_services(supervisor)
            if self._prepare(supervisor):
                self._serve(supervisor)
        finally:
            self._stop(supervisor)
            lock.release()

    def _start_services(self, supervisor: Supervisor) -> None:
        make_keys(self.var)
        if url := settings.DATABASE_URL_NAMED:
            check_database(url)
        else:
            postgres = Postgres(home_of(self.var, is_default=not env.text("WINNOW_VAR")))
            self._own(supervisor, "postgres", postgres)
            url = postgres.create_database("winnow")
        if queue_url := settings.REDIS_URL_NAMED:
            check_redis(queue_url)
        else:
            server = RedisServer(self.var / "redis")
            self._own(supervisor, "redis", server)
            queue_url = server.url()
        self.environment |= {"DATABASE_URL": url, "REDIS_URL": queue_url}
        write_private(self.var / "database_url", url)
        write_private(self.var / "redis_url", queue_url)

    def _own(self, supervisor: Supervisor, name: str, service: Postgres | RedisServer) -> None:
        self.owned.insert(0, service)
        service.start()
        supervisor.add_service(Child(name, service.spawn, service.process))
        say("up", f"{name} runs in {service.home}")

    def _prepare(self, supervisor: Supervisor) -> bool:
        """Migrations, static files, the first owner; False when it was interrupted."""
        arguments = [sys.executable, "manage.py", "prepare"]
        prepare = subprocess.Popen(arguments, cwd=ROOT, env=self.environment, start_new_session=True)
        while prepare.poll() is None:
            if supervisor.stopping.wait(0.1):
                end(prepare, signal.SIGTERM, 10)
                return False
        if prepare.returncode:
            raise ServiceError("Winnow could not prepare its database; the lines above say why.")
        return True

    def _serve(self, supervisor: Supervisor) -> None:
        manage = [sys.executable, "manage.py"]
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
        # A pool and its threads would not survive the fork of a work-horse.
        unpooled = self.environment | {"DATABASE_POOL": "false"}
        supervisor.add(command("web", gunicorn, self.environment))
        for queue, name in settings.QUEUES.items():
            for number in range(settings.WORKERS[queue]):
                label = f"{queue}-{number + 1}" if number else queue
                ttl = str(settings.WORKER_TTL_SECONDS)
                supervisor.add(command(label, [*manage, "rqworker", name, "--worker-ttl", ttl], unpooled))
        supervisor.add(command("sweep", [*manage, "sweep"], unpooled))
        self._announce(supervisor)
        supervisor.watch()

    def _announce(self, supervisor: Supervisor) -> None:
        host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::"} else settings.HOST  # noqa: S104
        for _ in range(WEB_SECONDS * 10):
            if answers(host, settings.PORT):
                say("up", f"Winnow is ready: {settings.SITE_URL} (Ctrl-C stops it)")
                return
            if supervisor.stopping.wait(0.1):
                return
        say("up", f"Winnow does not answer on {host}:{settings.PORT} yet; the lines of web say why")

    def _stop(self, supervisor: Supervisor) -> None:
        say("up", "stopping")
        supervisor.stop_children()
        for service in self.owned:
            service.stop()
        for name in ("database_url", "redis_url"):
            (self.var / name).unlink(missing_ok=True)
        elsewhere = [str(service.home) for service in self.owned if not service.home.is_relative_to(self.var)]
        say("up", f"stopped; everything is kept in {' and '.join([str(self.var), *elsewhere])}")


def make_var(var: Path) -> None:
    """The folder of everything that is kept, with some room on its disk."""
    try:
        var.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(f"The folder {var} cannot be made ({error.strerror}): set WINNOW_VAR to another.") from None
    needed = env.integer("MIN_FREE_MB", 512)
    free = shutil.disk_usage(var).free // 2**20
    if free < needed:
        raise ServiceError(f"No room: {free} MB are free on the disk of {var}, Winnow wants {needed} to start.")


def check_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServiceError(
            f"Cannot serve on {host}:{port} ({reason}): choose another, such as PORT={port + 1}."
        ) from None


def answers(host: str, port: int) -> bool:
    """Whether the web serves; it may refuse or redirect this address, but not fail."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
