"""A real `manage.py up` on a folder and a port of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import psutil

from config.processes import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 240
STOP_SECONDS = 120
# What the plugin of the tests put into the environment, and what would point `up` elsewhere.
OURS = {
    "DATABASE_URL",
    "REDIS_URL",
    "RQ_PREFIX",
    "MEDIA_ROOT",
    "MODELS_ROOT",
    "DATABASE_POOL",
    "DJANGO_SETTINGS_MODULE",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(var: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("PYTEST")}
    few = {"WORKERS_TRAINING": "0", "WORKERS_INFERENCE": "0", "WEB_WORKERS": "1"}
    return kept | few | {"WINNOW_VAR": str(var), "PORT": str(port), "HOST": "127.0.0.1", "SWEEP_SECONDS": "1"} | more


def refusal(var: Path, **more: str) -> str:
    """The one line with which `up` refuses to start."""
    port = int(more.pop("PORT", free_port()))
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment(var, port, **more),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def command_of(process: psutil.Process) -> str:
    """The command line; empty when it has ended between the list and the look."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


class UpProcess:
    def __init__(self, var: Path, log: Path, **more: str) -> None:
        self.var, self.log, self.port = var, log, free_port()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=environment(var, self.port, **more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        found = wait_until(lambda: self.process.poll() is not None or "Winnow is ready" in self.output(), START_SECONDS)
        assert found and self.process.poll() is None, self.output()

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def password(self) -> str:
        found = re.search(r"password  (\S+)", self.output())
        assert found, self.output()
        return found[1]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url(path), timeout=120) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        """Whether every part answers well; a server that refuses or does not answer in time is not ready."""
        try:
            status, body = self.get("/readyz")
        except OSError:
            return False
        return status == 200 and all(part == "ok" for part in json.loads(body)["parts"].values())

    def logs_in(self, email: str, password: str) -> bool:
        """Through the real login form: whether the home page then greets a member."""
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        page = opener.open(self.url("/accounts/login/"), timeout=120).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        form = {"csrfmiddlewaretoken": token[1], "login": email, "password": password}
        try:
            opener.open(self.url("/accounts/login/"), urlencode(form).encode(), timeout=120)
        except urllib.error.HTTPError as error:
            assert error.code == 422, error.read()
        return any(cookie.name == "sessionid" for cookie in jar)

    def named(self, text: str) -> list[psutil.Process]:
        """Living processes of this `up` whose command line has the text."""
        return [process for process in processes_of(self.var) if text in command_of(process)]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Whatever a failed test left: an orderly end, then none."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for process in processes_of(self.var):
            with contextlib.suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
                process.kill()


def processes_of(var: Path) -> list[psutil.Process]:
    """Every living process of the folder, whoever its parent is by now."""
    return [process for process in psutil.process_iter() if _belongs(process, str(var))]


def _belongs(process: psutil.Process, var: str) -> bool:
    # The servers write their titles over their environment, but work in their folders.
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.cwd().startswith(f"{var}/") or process.environ().get("WINNOW_VAR") == var
    except (psutil.Error, OSError):
        return False
