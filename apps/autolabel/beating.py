"""A heartbeat beside work that has nothing to report for a while: loading torch, exporting, fitting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from apps.common.runs import Handle, Stopped

LONGEST_SILENCE = 600.0
"""A job that reports nothing for so many seconds is taken for dead after all."""


@contextmanager
def beating(handle: Handle) -> Iterator[None]:
    """Say that the job lives for as long as the block runs; what the job itself reports comes first."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(handle, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(handle: Handle, done: threading.Event) -> None:
    """On a connection of its own. A run that was taken away is left to the job to notice."""
    seen, since = _reported(handle), time.monotonic()
    try:
        while not done.wait(settings.RUN_HEARTBEAT_SECONDS / 2):
            if (now := _reported(handle)) != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > LONGEST_SILENCE:
                return
            handle.beat()
    except Stopped:
        return
    finally:
        connection.close()


def _reported(handle: Handle) -> tuple[int, int, str]:
    return handle.run.done, handle.run.total, handle.run.phase
