"""Promises of the Winnow of its own that a command runs in."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.sandbox import Sandbox


def test_a_signal_in_the_middle_of_a_start_leaves_no_process_behind(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    started: list[psutil.Process] = []
    begin = subprocess.Popen

    def begin_and_be_told_to_end(*arguments: Any, **options: Any) -> Any:
        process = begin(*arguments, **options)
        if "rqworker" in arguments[0]:
            started.append(psutil.Process(process.pid))
            signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr("config.sandbox.subprocess.Popen", begin_and_be_told_to_end)
    with pytest.raises(SystemExit, match="143"), Sandbox("signal", [["default"]], keep=False, more={}):
        pytest.fail("it went on")
    assert len(started) == 1 and not started[0].is_running()
    assert not list(tmp_path.iterdir())
