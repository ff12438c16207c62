"""What has changed in a labelset since an earlier look, so that no change is ever missed.

Each entry, and each trace of a deleted one, carries the number of the transaction that wrote it last. A look is
remembered as the oldest transaction that was still open then: all below it had ended and was seen, and whatever
commits later, however late, has a number from there on. What was written about the moment of the look may come twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from apps.warehouse.formats import Gone
from apps.warehouse.models import Labelset, LabelsetDeletion, LabelsetEntry

# What tells one database from another, of the same cluster too, and from itself after a restore, when the numbers
# would mean something else: recovery begins a new time line, a dump that is loaded makes the table anew. Any role may
# ask for it.
_NOW = """
SELECT
  left(encode(sha256(convert_to(concat_ws('.', system.system_identifier, recovery.timeline_id, base.oid,
    'warehouse_labelsetentry'::regclass::oid), 'UTF8')), 'hex'), 16),
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint
FROM pg_control_system() AS system, pg_control_checkpoint() AS recovery, pg_database AS base
WHERE base.datname = current_database()
"""
_TEXT = re.compile(r"([0-9a-f]{16})\.(\d{1,18})\.(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A look at a labelset, as the next one has to know of it."""

    database: str
    labelset: int
    horizon: int

    def __str__(self) -> str:
        return f"{self.database}.{self.labelset}.{self.horizon}"


def now(labelset: Labelset) -> Cursor:
    """To be taken before what it speaks for is read."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        database, horizon = cursor.fetchone()
    return Cursor(database, labelset.pk, horizon)


def since(text: str, current: Cursor) -> int:
    """The horizon of an earlier look; raises ValidationError where it says nothing about this labelset."""
    parts = _TEXT.fullmatch(text.strip())
    earlier = Cursor(parts[1], int(parts[2]), int(parts[3])) if parts else None
    if earlier is None or earlier.labelset != current.labelset:
        raise ValidationError({"since": "This is no cursor of an export of this labelset."})
    if earlier.database != current.database or earlier.horizon > current.horizon:
        reason = "The database is another one or was restored since: export the labelset as a whole."
        raise ValidationError({"since": reason})
    return earlier.horizon


def gone(labelset: Labelset, horizon: int, wanted: QuerySet[LabelsetEntry]) -> Iterator[Gone]:
    """Entries that were deleted since, and those that have changed and are no longer among the wanted."""
    there = LabelsetEntry.objects.filter(labelset=labelset, datapoint__uid=OuterRef("uid"))
    deleted = LabelsetDeletion.objects.filter(~Exists(there), labelset=labelset, changed__gte=horizon)
    for uid, name in deleted.order_by("pk").values_list("uid", "name").iterator():
        yield Gone(str(uid), name)
    others = labelset.entries.filter(~Exists(wanted.filter(pk=OuterRef("pk"))), changed__gte=horizon)
    for uid, name in others.order_by("pk").values_list("datapoint__uid", "datapoint__name").iterator():
        yield Gone(str(uid), name)
