"""The cast (owner, admin, labeler, stranger), their clients, and real worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client

from apps.accounts.models import Membership, Organization, Role, User
from config.processes import end, kill_all, session_members, wait_until

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180
# A pause of a crowded machine is no failure of what is tested.
hypothesis.settings.register_profile("winnow", deadline=None)
hypothesis.settings.load_profile("winnow")


@pytest.fixture
def nothing_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the processes of tests in which nobody hangs: however slow they are, none is taken for dead."""
    monkeypatch.setenv("TEST_STALE_SECONDS", "300")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Rate limits and cached pages of one test are not another's."""
    cache.clear()


@pytest.fixture
def organization(db: None) -> Organization:
    return Organization.objects.create(name="Acme", slug="acme")


def _member(organization: Organization, name: str, role: Role) -> User:
    user = User.objects.create_user(f"{name}@example.com", "correct horse battery", name=name.title())
    Membership.objects.create(organization=organization, user=user, role=role)
    return user


@pytest.fixture
def owner(organization: Organization) -> User:
    return _member(organization, "owner", Role.OWNER)


@pytest.fixture
def admin(organization: Organization) -> User:
    return _member(organization, "admin", Role.ADMIN)


@pytest.fixture
def labeler(organization: Organization) -> User:
    return _member(organization, "labeler", Role.LABELER)


@pytest.fixture
def stranger(db: None) -> User:
    """The owner of another organization."""
    return _member(Organization.objects.create(name="Other", slug="other"), "stranger", Role.OWNER)


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    """A logged-in client for a user."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return client

    return log_in


def process_environment(**more: str) -> dict[str, str]:
    """What a process of its own needs to work on this test's database, queues and files."""
    used = connection.settings_dict
    url = f"postgresql://{used['USER']}@/{used['NAME']}?host={quote(used['HOST'])}"
    names = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}
    folders = {"MEDIA_ROOT": str(settings.MEDIA_ROOT), "MODELS_ROOT": str(settings.MODELS_ROOT)}
    return os.environ | names | folders | more


class WorkerProcess:
    """A real `manage.py rqworker` on this test's database and queues."""

    def __init__(self, log: Path, queues: tuple[str, ...], environment: dict[str, str]) -> None:
        self.log = log
        names = [settings.QUEUES[queue] for queue in queues]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "rqworker", *names],
                cwd=ROOT,
                env=process_environment(**environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        listening = wait_until(lambda: self.process.poll() is not None or "istening on" in self.output(), START_SECONDS)
        if not listening:
            self.stop()  # Left behind, it would take the jobs of later tests.
        assert listening and self.process.poll() is None, self.output()

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def horses(self) -> list[int]:
        """The process ids of the jobs it runs, also after the worker itself is gone."""
        return [process.pid for process in session_members(self.pid) if process.pid != self.pid]

    def kill(self) -> None:
        """SIGKILL, as the kernel does it: the work-horse lives on as an orphan."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        end(self.process, signal.SIGINT, 0.5)
        kill_all(session_members(self.pid), seconds=1)


@pytest.fixture
def start_worker(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """start_worker("default", "training", NAME="value of an environment variable") -> WorkerProcess."""
    started: list[WorkerProcess] = []

    def start(*queues: str, **environment: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(log, queues or tuple(settings.QUEUES), environment))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def worker(start_worker: Callable[..., WorkerProcess]) -> WorkerProcess:
    """One real worker on every queue."""
    return start_worker()


@pytest.fixture(autouse=True)
def _empty_queues(request: pytest.FixtureRequest) -> Iterator[None]:
    """Jobs of one test are not run by the worker of the next."""
    yield
    if "transactional_db" in request.fixturenames:
        import django_rq

        django_rq.get_connection(settings.QUEUES["default"]).flushdb()
