"""The supervisor's patience with children that die at once, and with those that do not want to."""

from __future__ import annotations

import os
import sys

import pytest

from config.processes import Register, wait_until
from config.supervisor import BACK_OFF_SECONDS, STEADY_SECONDS, Supervisor, command

NEVER = "import signal\nwhile True: signal.pause()"


def child(code: str):
    return command("probe", [sys.executable, "-c", code], os.environ)


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(Register(tmp_path / "children.json"))
    yield made
    made.hurry.set()
    made.stop_children()


def test_a_child_that_keeps_dying_is_started_ever_later():
    probe = child("raise SystemExit(3)")
    now, waits = 1000.0, []
    for _ in range(len(BACK_OFF_SECONDS) + 1):
        probe.start()
        probe.started_at = now
        probe.process.wait()
        assert not probe.look(now)
        waits.append(probe.start_after - now)
        assert not probe.look(probe.start_after - 0.01)
    assert waits == [*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1]]


def test_a_child_that_had_lived_long_is_started_at_once_again():
    probe = child("raise SystemExit(0)")
    probe.deaths = 5
    probe.start()
    probe.started_at = 1000.0
    probe.process.wait()
    now = 1000.0 + STEADY_SECONDS + 1
    probe.look(now)
    assert probe.start_after - now == BACK_OFF_SECONDS[0]


def test_its_lines_carry_its_name(capfd):
    said: list[str] = []

    def has_spoken() -> bool:
        said.append(capfd.readouterr().out)
        return "probe      | from the child" in "".join(said)

    child("print('from the child')").start()
    assert wait_until(has_spoken, 20)


def test_children_that_ignore_the_first_request_are_ended(supervisor, monkeypatch):
    monkeypatch.setattr("config.supervisor.PATIENCE_SECONDS", 0.3)
    stubborn = child(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{NEVER}")
    supervisor.add(stubborn)
    supervisor.add(child(NEVER))
    supervisor.stop_children()
    assert not any(each.is_alive for each in supervisor.children)
    assert not supervisor.register.path.exists()
