"""What a job works with: every write says which attempt it belongs to, so a superseded job cannot write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from apps.common import queues
from apps.common.ending import end, hold
from apps.common.models import Run, RunStatus, Shard

SECONDS_BETWEEN_WRITES = 1.0
SECONDS_BETWEEN_TRIES = 0.5
LONGEST_MESSAGE = 2000
LONGEST_TRACE = 4000

Answer = TypeVar("Answer")


class Stopped(Exception):
    """The job must stop and write nothing more."""


class Superseded(Stopped):
    """Another attempt has the run now."""


class Canceled(Stopped):
    """Somebody canceled the run, or it was failed from outside."""


class Failure(Exception):
    """Raised by a job that cannot go on; the message is for people and is shown as it is."""


def patiently(action: Callable[[], Answer]) -> Answer:
    """Do it, and again while the database restarts; inside a transaction that would be wrong, so there it raises."""
    deadline = time.monotonic() + settings.RUN_STALE_SECONDS
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(SECONDS_BETWEEN_TRIES)


@contextmanager
def guarded(write: Callable[[], None]) -> Iterator[None]:
    """A transaction that begins with a guarded write, on a connection that is alive."""
    with ExitStack() as stack:
        patiently(lambda: _begin(stack, write))
        yield


def _begin(stack: ExitStack, write: Callable[[], None]) -> None:
    with ExitStack() as begun, connection.cursor() as cursor:
        if connection.in_atomic_block:
            stack.callback(_lift_limit)
        begun.enter_context(transaction.atomic())
        # A job that hangs in its transaction would keep its run from everybody: PostgreSQL ends the session then.
        limit = f"{settings.RUN_STALE_SECONDS * 1000:.0f}ms"
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [limit])
        write()
        stack.push(begun.pop_all())


def _lift_limit() -> None:
    """In a transaction of the caller's the limit would outlive the write that it is for."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")


@dataclass(frozen=True)
class Part:
    """One shard to open: what it is to do, and how many items that is."""

    params: dict[str, Any] = field(default_factory=dict)
    size: int = 1


class Handle:
    """A started run, as its job sees it.

    `progress` and `beat` are for outside of transactions (inside, nobody would see them). Rows are written in
    `with handle.guard(): …`, short transactions during which nobody can take the run away.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.attempt = run.attempt
        self.sharded = False
        self._written = self._told = time.monotonic()

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.run.params
        return params

    def progress(self, done: int, total: int | None = None, phase: str | None = None) -> None:
        """Say how far the phase is; written about once a second. Raises Superseded or Canceled."""
        fields: dict[str, Any] = {"done": done}
        if total is not None and total != self.run.total:
            fields["total"] = total
        if phase is not None and phase != self.run.phase:
            fields |= {"phase": phase, "phase_at": Now()}
        self.run.done = done
        # Not since the last write: a job that writes rows all the time would never come to say how far it is.
        if len(fields) > 1 or _is_due(self._told, SECONDS_BETWEEN_WRITES):
            self._write(**fields)
            self._told = self._written
            self.run.total, self.run.phase = fields.get("total", self.run.total), fields.get("phase", self.run.phase)

    def beat(self) -> None:
        """Say that the job lives, where there is no figure to give. Raises Superseded or Canceled."""
        if _is_due(self._written, settings.RUN_HEARTBEAT_SECONDS):
            self._write()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """A transaction that only the attempt which has the run can make; raises Superseded or Canceled before it."""
        with guarded(self._write):
            yield
            self._write()

    def count(self, **figures: int) -> None:
        """Add to figures of the result, inside a guard: however a run ends, they tell what all its attempts did."""
        result: dict[str, Any] = dict(self.run.result)
        for name, more in figures.items():
            result[name] = result.get(name, 0) + more
        self._write(result=result)
        self.run.result = result

    def finish(self, result: dict[str, Any] | None = None) -> None:
        ended = Greatest("done", "total")
        self._end(RunStatus.DONE, result=result or {}, done=ended, error="", trace="", heartbeat_at=Now())

    def fail(self, message: str, trace: str = "") -> None:
        self._end(RunStatus.FAILED, error=message[:LONGEST_MESSAGE], trace=trace[-LONGEST_TRACE:])

    def open_shards(self, parts: Sequence[Part], *, phase: str = "") -> None:
        """Hand the rest to shards, as the last thing the job does; who finishes the last one closes the run."""
        with transaction.atomic():
            hold(self.run.pk)
            total = sum(part.size for part in parts)
            self._write(shards_left=len(parts), phase=phase, phase_at=Now(), done=0, total=total)
            Shard.objects.filter(run=self.run).delete()
            rows = [Shard(run=self.run, number=n, params=p.params, size=p.size) for n, p in enumerate(parts)]
            opened = Shard.objects.bulk_create(rows, batch_size=1000)
            transaction.on_commit(partial(queues.push, opened), robust=True)
        self.sharded = bool(parts)

    def _write(self, **fields: Any) -> None:
        mine = Run.objects.filter(pk=self.run.pk, attempt=self.attempt, status=RunStatus.RUNNING)
        if not patiently(lambda: mine.update(heartbeat_at=Now(), **fields)):
            raise lost(self.run.pk)
        self._written = time.monotonic()

    def _end(self, status: RunStatus, **fields: Any) -> None:
        mine = Q(attempt=self.attempt, status=RunStatus.RUNNING)
        ended = patiently(lambda: end(self.run.pk, status, where=mine, **fields))
        if ended is None:
            raise lost(self.run.pk)
        self.run = ended


class ShardHandle:
    """A started shard, as its job sees it; `guard` and `progress` as a run's."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.run = shard.run
        self.attempt = shard.attempt
        self.is_last: bool | None = None  # None until it is finished
        self._told = time.monotonic()

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.shard.params
        return params

    def progress(self, done: int) -> None:
        """Items of this shard done so far; written about once a second. Raises Superseded or Canceled."""
        if _is_due(self._told, SECONDS_BETWEEN_WRITES):
            patiently(partial(self._advance, min(done, self.shard.size)))
            self._told = time.monotonic()

    def beat(self) -> None:
        self.progress(self.shard.done)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """A transaction that only the attempt which has the shard can make; `finish` inside it is part of it."""
        with guarded(self._write):
            yield
            if self.is_last is None:
                self._write()

    def finish(self, result: dict[str, Any] | None = None) -> bool:
        """Finish the shard. True for exactly one of the run's shards: the job then closes the run."""
        self.is_last = patiently(partial(self._finish, result or {}))
        return self.is_last

    def fail(self, message: str, trace: str = "") -> None:
        """One shard that cannot be done fails the whole run."""
        fields = {"error": message[:LONGEST_MESSAGE], "trace": trace[-LONGEST_TRACE:]}
        with transaction.atomic():
            hold(self.run.pk)
            self._write()
            if end(self.run.pk, RunStatus.FAILED, where=Q(status=RunStatus.RUNNING), **fields) is None:
                raise lost(self.run.pk)

    def _write(self, **fields: Any) -> None:
        mine = Shard.objects.filter(pk=self.shard.pk, attempt=self.attempt, status=RunStatus.RUNNING)
        if not patiently(lambda: mine.update(heartbeat_at=Now(), **fields)):
            raise lost(self.run.pk)

    def _advance(self, done: int) -> None:
        with transaction.atomic():
            self._write(done=done)
            running = Run.objects.filter(pk=self.run.pk, status=RunStatus.RUNNING)
            if not running.update(done=F("done") + (done - self.shard.done), heartbeat_at=Now()):
                raise lost(self.run.pk)
        self.shard.done = done

    def _finish(self, result: dict[str, Any]) -> bool:
        with transaction.atomic(), connection.cursor() as cursor:
            self._write(status=RunStatus.DONE, done=self.shard.size, result=result)
            cursor.execute(
                "UPDATE common_run SET shards_left = shards_left - 1, done = done + %s,"
                " heartbeat_at = statement_timestamp() WHERE id = %s AND status = 'running' RETURNING shards_left",
                [self.shard.size - self.shard.done, self.run.pk],
            )
            row = cursor.fetchone()
            if row is None:
                raise lost(self.run.pk)
        return bool(row[0] == 0)


def _is_due(last: float, seconds: float) -> bool:
    return time.monotonic() - last >= min(seconds, settings.RUN_HEARTBEAT_SECONDS)


def lost(run_id: int) -> Stopped:
    """Why a guarded write found no row."""
    status = Run.objects.filter(pk=run_id).values_list("status", flat=True).first()
    if status in (RunStatus.QUEUED, RunStatus.RUNNING):
        return Superseded(f"Another attempt has run {run_id}.")
    return Canceled(f"Run {run_id} is {status or 'deleted'}.")
