"""Starting, watching and ending child processes, also those that an earlier supervisor left behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

# A path in sockaddr_un is cut at 104 bytes on macOS and 108 on Linux, the final zero included.
SOCKET_PATH_LIMIT = 103


class ServiceError(Exception):
    """One clear line on what keeps Winnow from starting and what to do about it."""


def wait_until(condition: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    """Whether the condition came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def make_private_folder(path: Path, uid: int | None = None) -> Path:
    """The folder, readable by one user alone; refused when somebody else owns it."""
    owner = os.geteuid() if uid is None else uid
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
        os.chown(path, owner, -1)
    except FileExistsError:
        status = path.lstat()
        if path.is_symlink() or not path.is_dir() or status.st_uid != owner:
            raise ServiceError(
                f"{path} belongs to somebody else: remove it or set WINNOW_VAR to another folder."
            ) from None
        path.chmod(0o700)
    return path


def socket_folder(folder: Path, socket_name: str, uid: int | None = None) -> Path:
    """The folder itself where the path of a socket in it fits, else a short private one for it in the temp folder."""
    if len(os.fsencode(folder / socket_name)) <= SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return make_private_folder(Path(tempfile.gettempdir()) / f"winnow-{digest}", uid)


def tail(path: Path, lines: int = 3) -> str:
    """The last lines of a log, on one line."""
    if not path.is_file():
        return "no log"
    return " | ".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:]) or "empty log"


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals, seconds: float) -> None:
    """Ask a child to end, and kill it where it has not within so many seconds."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def session_members(leader: int) -> list[psutil.Process]:
    """Living processes of the session that a child began: itself, and the work-horses that outlived it."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return members


def kill_all(processes: Iterable[psutil.Process], seconds: float = 5) -> int:
    """SIGTERM, then SIGKILL to what still lives; says how many there were."""
    found = list(processes)
    for process in found:
        _signal(process, signal.SIGTERM)
    for process in psutil.wait_procs(found, timeout=seconds)[1]:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(found, timeout=seconds)
    return len(found)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


class Register:
    """The sessions of a supervisor's children, in a file: the next supervisor ends what a SIGKILL left running."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def add(self, pid: int) -> None:
        try:
            self.started[str(pid)] = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.started), encoding="utf-8")
        fresh.replace(self.path)

    def end_all(self, seconds: float = 5) -> int:
        """End every process of the sessions; a number that the system has given to another is left alone."""
        found = [
            process
            for pid, started in self.started.items()
            if not _is_another(int(pid), started)
            for process in session_members(int(pid))
        ]
        ended = kill_all(found, seconds)
        self.started.clear()
        self.path.unlink(missing_ok=True)
        return ended


def _is_another(pid: int, started: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started) > 2
    except psutil.NoSuchProcess:
        return False
