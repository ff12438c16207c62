"""Redis, which carries the ids of runs and shards and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeVar

import rq
from django.conf import settings
from django.db.models.functions import Now
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.common.kinds import KINDS
from apps.common.models import Run, RunStatus, Shard

log = logging.getLogger(__name__)

SECONDS_TO_KEEP_FAILED = 24 * 3600

Item = TypeVar("Item", Run, Shard)


def connection() -> Redis:
    """A connection that gives up soon: the sweeper enqueues later what cannot be enqueued now."""
    return Redis.from_url(
        str(settings.RQ_QUEUES[settings.QUEUES["default"]]["URL"]),
        socket_connect_timeout=settings.QUEUE_TIMEOUT_SECONDS,
        socket_timeout=settings.QUEUE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def job_id(item: Run | Shard) -> str:
    """The same for the same attempt, so that enqueuing twice is seen; unlike that of any other database."""
    name = "run" if isinstance(item, Run) else "shard"
    return f"{settings.RQ_PREFIX}{name}-{item.pk}-{item.attempt}"


def queue_of(item: Run | Shard) -> str:
    """The short name of the queue the item belongs on."""
    if isinstance(item, Run):
        return KINDS[item.kind].queue
    return KINDS[item.run.kind].shard_queue


def push(items: Iterable[Run | Shard]) -> bool:
    """Put them on their queues and note it on their rows. False: Redis is away, the rest waits for the sweeper."""
    with connection() as redis:
        for item in items:
            try:
                _push(redis, item)
            except RedisError as error:
                log.warning("Redis is away (%s); the sweeper enqueues %s later", error, item)
                return False
    return True


def _push(redis: Redis, item: Run | Shard) -> None:
    rq.Queue(settings.QUEUES[queue_of(item)], connection=redis, default_timeout=-1).enqueue_call(
        "apps.common.jobs.execute" if isinstance(item, Run) else "apps.common.jobs.execute_shard",
        args=(item.pk,),
        job_id=job_id(item),
        timeout=-1,
        result_ttl=0,
        failure_ttl=SECONDS_TO_KEEP_FAILED,
        description=str(item),
    )
    type(item)._default_manager.filter(pk=item.pk, attempt=item.attempt, status=RunStatus.QUEUED).update(
        enqueued_at=Now()
    )


def unknown(items: Iterable[Item]) -> list[Item]:
    """Those of the items that wait on no queue; raises RedisError when Redis is away."""
    waiting: dict[str, set[str]] = {}
    with connection() as redis:

        def ids(name: str) -> set[str]:
            if name not in waiting:
                waiting[name] = set(rq.Queue(settings.QUEUES[name], connection=redis).job_ids)
            return waiting[name]

        return [item for item in items if job_id(item) not in ids(queue_of(item))]
