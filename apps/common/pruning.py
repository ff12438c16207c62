"""Ended runs do not stay for ever: old ones that nothing points to go, and the shards of all old ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from apps.common.kinds import KINDS
from apps.common.models import Run, Shard

AT_ONCE = 2000
SECONDS_BETWEEN_TURNS = 3600
_TURN = "prune-runs"


def prune_old() -> None:
    """For the sweeper, which calls this all the time: it acts once an hour, and again at once while there is more."""
    if not cache.add(_TURN, True, SECONDS_BETWEEN_TURNS):
        return
    before = timezone.now() - timedelta(days=settings.RUNS_KEPT_DAYS)
    with transaction.atomic():
        runs = list(prunable(before).values_list("pk", flat=True)[:AT_ONCE])
        Shard.objects.filter(run__in=runs).delete()
        Run.objects.filter(pk__in=runs).delete()
        shards = list(Shard.objects.filter(run__ended_at__lt=before).values_list("pk", flat=True)[:AT_ONCE])
        Shard.objects.filter(pk__in=shards).delete()
    if AT_ONCE in (len(runs), len(shards)):
        cache.delete(_TURN)


def prunable(before: datetime) -> QuerySet[Run]:
    """Runs that ended before, but for those that a row points to, that their kind still needs, or that are the newest
    of their kind and target: a page tells by it how that ended.
    """
    newer = Run.objects.filter(kind=OuterRef("kind"), target=OuterRef("target"), pk__gt=OuterRef("pk"))
    rows = Run.objects.filter(Exists(newer), ended_at__lt=before)
    for relation in Run._meta.related_objects:
        if relation.related_model is not Shard:
            pointing = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})
            rows = rows.filter(~Exists(pointing))
    for kind in KINDS.values():
        if kind.needed:
            rows = rows.exclude(kind.needed, kind=kind.name)
    return rows
