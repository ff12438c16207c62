"""What has to happen from time to time whether or not anybody asks: interrupted runs, lost queue entries, chores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from threading import Event

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import Q
from django.db.models.functions import Now
from redis.exceptions import RedisError

from apps.common import queues, runs
from apps.common.kinds import KINDS
from apps.common.models import Run, RunStatus, Shard
from apps.common.pruning import prune_old

log = logging.getLogger(__name__)

UNANSWERED = "The worker stopped answering, twice. It may have run out of memory; its log says more."
LOCK = "SELECT pg_try_advisory_lock(hashtextextended('winnow sweeper', 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('winnow sweeper', 0))"

REQUEUE_STALE = "requeue stale runs"
CHORES: dict[str, Callable[[], object]] = {}


def register(name: str, chore: Callable[[], object]) -> None:
    """Have a function called at every sweep. Call it in `AppConfig.ready`."""
    CHORES[name] = chore


def sweep(*, judges: bool = True) -> None:
    """One sweep; a chore that fails is logged and does not keep the others from their turn.

    Without `judges` nobody is taken for dead.
    """
    for name, chore in CHORES.items():
        if name == REQUEUE_STALE and not judges:
            continue
        try:
            chore()
        except RedisError as error:
            log.warning("Redis is away (%s); %s waits", error, name)
        except Exception:
            log.exception("The sweeper failed to %s", name)
        finally:
            close_old_connections()


def requeue_stale() -> None:
    """Runs and shards that run without a heartbeat are queued once more, then failed."""
    silent = Q(status=RunStatus.RUNNING, heartbeat_at__lt=Now() - timedelta(seconds=settings.RUN_STALE_SECONDS))
    items: list[Run | Shard] = [
        *Shard.objects.filter(silent, run__status=RunStatus.RUNNING),
        *Run.objects.filter(silent, shards_left=0),
    ]
    for item in items:
        if runs.requeue(item, UNANSWERED, where=silent):
            log.warning("No heartbeat from %s, attempt %s", item, item.attempt)


def enqueue_lost() -> None:
    """Queued runs and shards that Redis does not know, because it was away or lost them, are put on their queues."""
    overdue = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - timedelta(seconds=settings.SWEEP_SECONDS))
    waiting = Run.objects.filter(overdue, status=RunStatus.QUEUED, kind__in=KINDS)
    parts = Shard.objects.filter(
        overdue, status=RunStatus.QUEUED, run__status=RunStatus.RUNNING, run__kind__in=KINDS
    ).select_related("run")
    for items in (queues.unknown(waiting), queues.unknown(parts)):
        queues.push(items)


register(REQUEUE_STALE, requeue_stale)
register("enqueue lost runs", enqueue_lost)
register("prune old runs", prune_old)


class Leader:
    """Of several sweepers one acts: whose session holds the lock, on a connection of its own."""

    def __init__(self) -> None:
        self._session: psycopg.Connection | None = None

    def leads(self) -> bool:
        """Whether this process is the one; tries to become it if not."""
        if self._session is not None:
            try:
                self._session.execute("SELECT 1")
            except psycopg.OperationalError:
                log.warning("The sweeper lost its lock with its connection")
                self._session = None
            else:
                return True
        session = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        row = session.execute(LOCK).fetchone()
        if row is None or not row[0]:
            session.close()
            return False
        self._session = session
        log.info("This sweeper leads")
        return True

    def resign(self) -> None:
        """Let the next one lead from now on: a session that only closes holds its lock until the server notices."""
        session, self._session = self._session, None
        if session is not None:
            with closing(session), suppress(psycopg.OperationalError):  # one that is gone holds nothing
                session.execute(UNLOCK)


class Watch:
    """Whether the sweeper was here to hear of runs, by the clock that their heartbeats go by.

    After a machine was suspended, or the database was away, all runs are silent: the living are given the time of two
    heartbeats to be heard of again.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._from: datetime | None = None

    def may_judge(self) -> bool:
        now = self._now()
        if self._last is None or now - self._last > timedelta(seconds=settings.RUN_STALE_SECONDS):
            self._from = now + timedelta(seconds=2 * settings.RUN_HEARTBEAT_SECONDS)
        self._last = now
        return self._from is None or now >= self._from

    def note(self) -> None:
        """A sweep is over, however long it took."""
        self._last = self._now()

    def _now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            now: datetime = cursor.fetchone()[0]
        return now


def serve(stop: Event) -> None:
    """Sweep until told to stop."""
    leader, watch = Leader(), Watch()
    while not stop.is_set():
        try:
            if leader.leads():
                sweep(judges=watch.may_judge())
                watch.note()
        except (psycopg.OperationalError, OperationalError, InterfaceError) as error:
            log.warning("The database is away: %s", error)
            close_old_connections()
        stop.wait(settings.SWEEP_SECONDS)
    leader.resign()
