"""Runs the children of `up`: starts them in order, restarts what dies, prefixes their lines, leaves no process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.processes import Register, wait_until

ROOT = Path(__file__).resolve().parent.parent
BACK_OFF_SECONDS = (0.5, 1, 2, 5, 10, 30)
STEADY_SECONDS = 60
# An RQ worker waits for its job on the first SIGTERM and ends it on the second.
PATIENCE_SECONDS = 5
WATCH_SECONDS = 0.2

_print_lock = threading.Lock()


def say(name: str, text: str) -> None:
    """One whole line under the name of who says it; a closed terminal is no reason to stop."""
    with _print_lock:
        try:
            sys.stdout.write(f"{name:<11}| {text}\n")
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            return


@dataclass
class Child:
    """A process that has to be running, and how to start it again."""

    name: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = field(default=0.0)
    start_after: float = field(default=0.0)

    def start(self) -> None:
        self.process = self.spawn()
        self.started_at = time.monotonic()
        if self.process.stdout:
            threading.Thread(target=_relay, args=(self.name, self.process.stdout), daemon=True).start()

    def look(self, now: float) -> bool:
        """Notice a death, or start again when the wait is over; says whether the process is a new one."""
        if self.process is None:
            if now >= self.start_after:
                self.start()
                return True
        elif (code := self.process.poll()) is not None:
            self.process = None
            self.deaths = 0 if now - self.started_at > STEADY_SECONDS else self.deaths
            wait = BACK_OFF_SECONDS[min(self.deaths, len(BACK_OFF_SECONDS) - 1)]
            self.deaths += 1
            self.start_after = now + wait
            say("up", f"{self.name} ended ({_how(code)}); it is started again in {wait} s")
        return False

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


def command(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
    """A child that runs a command of ours in a session of its own, its lines under its name."""

    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return Child(name, spawn)


class Supervisor:
    """The children of one `up`. Services come first and go last."""

    def __init__(self, register: Register) -> None:
        self.services: list[Child] = []
        self.children: list[Child] = []
        self.register = register
        self.stopping = threading.Event()
        self.hurry = threading.Event()

    def listen(self) -> None:
        """Ctrl-C, `kill` and a closed terminal ask for an orderly end; a second Ctrl-C for a quick one."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def add_service(self, child: Child) -> None:
        child.started_at = time.monotonic()
        self.services.append(child)

    def add(self, child: Child) -> None:
        """Start a child; its session stays registered after its death, for its work-horse may outlive it."""
        child.start()
        self.children.append(child)
        if child.process:
            self.register.add(child.process.pid)

    def watch(self) -> None:
        """Until somebody asks to stop."""
        while not self.stopping.wait(WATCH_SECONDS):
            now = time.monotonic()
            for service in self.services:
                service.look(now)
            for child in self.children:
                if child.look(now) and child.process:
                    self.register.add(child.process.pid)

    def stop_children(self) -> None:
        """SIGTERM, again after some seconds, then the end of whatever their sessions still hold."""
        for _ in range(2):
            for child in self.children:
                if child.process and child.is_alive:
                    child.process.send_signal(signal.SIGTERM)
            if wait_until(self._nobody_left_or_hurry, PATIENCE_SECONDS):
                break
        self.register.end_all(seconds=2)
        for child in self.children:
            if child.process:
                child.process.wait()

    def _nobody_left_or_hurry(self) -> bool:
        return self.hurry.is_set() or not any(child.is_alive for child in self.children)

    def _on_signal(self, number: int, frame: object) -> None:
        if self.stopping.is_set():
            self.hurry.set()
        self.stopping.set()


def _relay(name: str, stream: IO[bytes]) -> None:
    for line in stream:
        say(name, line.decode("utf-8", errors="replace").rstrip())


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
