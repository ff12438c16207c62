"""A real server process, a client of it, pictures in a folder."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import winnow

from apps.accounts import services
from apps.accounts.models import Organization, User
from config.processes import end, wait_until
from tests.autolabel.loop import boxes_of
from tests.conftest import ROOT, START_SECONDS, process_environment
from tests.detector.pictures import draw, encode


class ServerProcess:
    """gunicorn as `up` runs it, on this test's database and files."""

    def __init__(self, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address: tuple[str, int] = free.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        environment = process_environment(
            HOST="127.0.0.1", PORT=str(self.address[1]), SITE_URL=self.url, WEB_WORKERS="1"
        )
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
                cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        answers = wait_until(lambda: self.process.poll() is not None or self._answers(), START_SECONDS)
        assert answers and self.process.poll() is None, log.read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        end(self.process, signal.SIGTERM, 5)


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path / "server.log")
    yield running
    running.stop()


@pytest.fixture
def secret(organization: Organization, owner: User) -> str:
    return services.create_api_key(organization=organization, user=owner, name="sdk")[1]


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """A folder of so many drawn pictures, named as the tests of the loop name them."""

    def make(count: int) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:04}.png").write_bytes(encode(draw(boxes_of(number))))
        return folder

    return make


@pytest.fixture
def connect(secret: str) -> Callable[[str], winnow.Organization]:
    return lambda url: winnow.Client(url, secret).organization("acme")
