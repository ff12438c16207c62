"""How a run ends: once, its shards with it, its kind told in the same transaction."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.common.kinds import KINDS
from apps.common.models import ACTIVE, Run, RunStatus, Shard


def hold(run_id: int) -> None:
    """Until the transaction ends nobody else opens, ends or reopens the run's shards.

    Locks are always taken in the order: this one, shards, run. Jobs lock their shard before their run, so whoever
    ends a run must as well; this lock keeps shards from being opened between the two.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('winnow run ' || %s, 0))", [str(run_id)])


def end(run_id: int, status: RunStatus, *, where: Q | None = None, **fields: Any) -> Run | None:
    """End the run if it is active and as `where` says; None if it was not, and then nothing has changed."""
    with transaction.atomic():
        hold(run_id)
        shards = Shard.objects.filter(run=run_id, status__in=ACTIVE).order_by("pk").select_for_update()
        Shard.objects.filter(pk__in=[shard.pk for shard in shards]).update(status=RunStatus.CANCELED)
        changed = Run.objects.filter(where or Q(), pk=run_id, status__in=ACTIVE).update(
            status=status, ended_at=Now(), shards_left=0, **fields
        )
        if not changed:
            transaction.set_rollback(True)
            return None
        run = Run.objects.get(pk=run_id)
        kind = KINDS.get(run.kind)
        if kind and kind.on_end:
            kind.call(kind.on_end, run)
    return run
