"""Children and what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from config.processes import (
    Register,
    ServiceError,
    end,
    make_private_folder,
    session_members,
    socket_folder,
    wait_until,
)

SLEEPER = "import signal\nwhile True: signal.pause()"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\n" + SLEEPER
# A child that starts a grandchild in a process group of its own, as an RQ worker does, and tells its number.
PARENT = f"""
import os, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], process_group=0)
print(grandchild.pid, flush=True)
{SLEEPER}
"""


def spawn(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)


@pytest.fixture
def family():
    parent = spawn(PARENT)
    grandchild = psutil.Process(int(parent.stdout.readline()))
    yield parent, grandchild
    for process in session_members(parent.pid):
        process.kill()
    parent.wait()


def test_the_orphan_of_a_killed_child_is_still_of_its_session(family):
    parent, grandchild = family
    parent.kill()
    parent.wait()
    assert [process.pid for process in session_members(parent.pid)] == [grandchild.pid]


def test_a_register_read_by_the_next_supervisor_ends_orphans(family, tmp_path):
    parent, grandchild = family
    Register(tmp_path / "children.json").add(parent.pid)
    parent.kill()
    parent.wait()
    assert Register(tmp_path / "children.json").end_all() == 1
    assert not grandchild.is_running()
    assert not (tmp_path / "children.json").exists()


def test_a_number_given_to_another_process_is_left_alone(family, tmp_path):
    parent, grandchild = family
    earlier = psutil.Process(parent.pid).create_time() - 3600
    (tmp_path / "children.json").write_text(json.dumps({str(parent.pid): earlier}))
    assert Register(tmp_path / "children.json").end_all() == 0
    assert parent.poll() is None and grandchild.is_running()


def test_a_child_that_ignores_sigterm_is_killed():
    stubborn = spawn(STUBBORN)
    assert stubborn.stdout.readline() == b"up\n"
    end(stubborn, signal.SIGTERM, 0.2)
    assert stubborn.returncode == -signal.SIGKILL


def test_waiting_ends_with_the_condition_or_the_time():
    began = time.monotonic()
    assert wait_until(lambda: time.monotonic() > began + 0.1, 5)
    assert not wait_until(lambda: False, 0.1)


def test_a_private_folder_is_for_its_owner_alone(tmp_path):
    (tmp_path / "kept").mkdir(mode=0o755)
    assert make_private_folder(tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert make_private_folder(tmp_path / "made" / "deep").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_a_link_or_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ServiceError, match="belongs to somebody else"):
        make_private_folder(tmp_path / "link")
    (tmp_path / "other").mkdir()
    with pytest.raises(ServiceError, match="belongs to somebody else"):
        make_private_folder(tmp_path / "other", os.geteuid() + 1)


def test_a_short_path_keeps_its_socket_and_a_long_one_gets_the_same_short_folder_each_time(tmp_path):
    assert socket_folder(tmp_path, "s") == tmp_path
    long = tmp_path / ("x" * 120)
    short = socket_folder(long, "s")
    try:
        assert len(str(short)) < 80 and short == socket_folder(long, "s")
    finally:
        short.rmdir()
