"""The two functions that RQ calls, and the one place that catches whatever a job raises."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection

from apps.common import runs
from apps.common.handles import Failure, Handle, ShardHandle, Stopped, patiently
from apps.common.http import Conflict
from apps.common.kinds import KINDS
from apps.common.logs import run_context
from apps.common.models import Run, Shard

log = logging.getLogger(__name__)


def execute(run_id: int) -> None:
    """Make an attempt at a run: from the start, or from its end when an earlier attempt's shards are all done."""
    with run_context(run_id):
        handle = patiently(lambda: runs.start(run_id))
        if handle is None:
            log.info("Run %s is not queued any more", run_id)
        elif handle.run.shards.exists():
            _at_boundary(handle, lambda: _close(handle))
        else:
            _at_boundary(handle, lambda: _work(handle))


def execute_shard(shard_id: int) -> None:
    """Make an attempt at a shard, and close its run if it was the last."""
    handle = patiently(lambda: runs.start_shard(shard_id))
    if handle is None:
        log.info("Shard %s is not queued any more", shard_id)
        return
    with run_context(handle.run.pk):
        _at_boundary(handle, lambda: _work_shard(handle))
        if handle.is_last:
            closing = Handle(Run.objects.get(pk=handle.run.pk))
            _at_boundary(closing, lambda: _close(closing))


def _work(handle: Handle) -> None:
    kind = KINDS[handle.run.kind]
    result = kind.call(kind.job, handle)
    if not handle.sharded:
        handle.finish(result)


def _work_shard(handle: ShardHandle) -> None:
    kind = KINDS[handle.run.kind]
    result = kind.call(kind.shard_job, handle)
    if handle.is_last is None:
        handle.finish(result)


def _close(handle: Handle) -> None:
    kind = KINDS[handle.run.kind]
    handle.finish(kind.call(kind.close_job, handle) if kind.close_job else None)


def _at_boundary(handle: Handle | ShardHandle, work: Callable[[], None]) -> None:
    with run_context(handle.run.pk):
        _try(handle, work)


def _try(handle: Handle | ShardHandle, work: Callable[[], None]) -> None:
    item: Run | Shard = handle.run if isinstance(handle, Handle) else handle.shard
    log.info("Start %s, attempt %s", item, handle.attempt)
    try:
        work()
        log.info("End %s, attempt %s", item, handle.attempt)
    except Stopped as reason:
        log.info("Stop %s, attempt %s: %s", item, handle.attempt, reason)
    except (OperationalError, InterfaceError) as error:
        log.exception("The database broke off %s, attempt %s", item, handle.attempt)
        connection.close()
        message = f"The database broke it off, twice: {_last_line(error)}"
        patiently(lambda: runs.requeue(item, message))
    except Exception as error:
        log.exception("Fail %s, attempt %s", item, handle.attempt)
        _fail(handle, error)
        raise


def _fail(handle: Handle | ShardHandle, error: Exception) -> None:
    try:
        handle.fail(message_of(error), traceback.format_exc())
    except Stopped as reason:
        log.info("Run %s needs no failing: %s", handle.run.pk, reason)


def message_of(error: Exception) -> str:
    """The error in words for the person who waits for the run."""
    if isinstance(error, (Failure, Conflict)):
        return str(error)
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return f"An unexpected error stopped this: {type(error).__name__}: {_last_line(error)}"


def _last_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "no message"
