"""Items by the hundred thousand: COPY into a staging table, one INSERT, what collides reported."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from apps.taxonomies.labels import LabelErrors, from_exchange
from apps.taxonomies.labels import parse as parse_labels
from apps.warehouse.items_list import Bad, Listed
from apps.warehouse.labelset_entries import EntryRow, authors_of, upsert_entries
from apps.warehouse.models import Import, ImportFailure

TAKEN = "The dataset has a datapoint of this name already."

_STAGE = """
CREATE TEMP TABLE staged_items (position bigint, uid uuid, name text, path text, meta jsonb) ON COMMIT DROP
"""
_INSERT = """
INSERT INTO warehouse_datapoint
  (uid, dataset_id, storage_id, import_row_id, name, path, thumbnail, rendition, error, meta, created_at)
SELECT uid, %s, %s, %s, name, path, '', '', '', meta, %s FROM staged_items ORDER BY position
ON CONFLICT (dataset_id, name) DO NOTHING
"""
# What this piece has inserted carries its moment; of a name that is staged twice the first one came in.
_LEFT_OUT = """
SELECT staged.position, known.storage_id = %s AND known.path = staged.path AS is_same
FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY position) AS nth FROM staged_items) AS staged
JOIN warehouse_datapoint AS known ON known.dataset_id = %s AND known.name = staged.name
WHERE staged.nth > 1 OR known.import_row_id IS DISTINCT FROM %s OR known.created_at <> %s
"""
_NAMED = "SELECT name, id FROM warehouse_datapoint WHERE dataset_id = %s AND name = ANY(%s)"


@dataclass(frozen=True, slots=True)
class LabelReader:
    """How labels beside images are read: into which labelset, with which classes."""

    labelset_id: int
    class_ids: frozenset[int]
    class_of: Callable[[list[str]], int | None]

    def read(self, raw: Sequence[Any]) -> list[Any]:
        """Labels in our form; raises ValueError saying what is wrong."""
        return list(parse_labels([from_exchange(each, self.class_of) for each in raw], class_ids=self.class_ids))


def stage(
    row: Import, items: Sequence[Listed | Bad], *, skip_known: bool = False, labels: LabelReader | None = None
) -> None:
    """Bring the items in, inside the caller's transaction, and count on the import what came of them.

    `skip_known`: what is there already from the same place is skipped rather than a failure.
    """
    bad = [item for item in items if isinstance(item, Bad)]
    good, entries = _with_labels([item for item in items if isinstance(item, Listed)], labels, bad)
    left_out = _insert(row, good) if good else {}
    skipped = sum(1 for is_same in left_out.values() if is_same and skip_known)
    for item in good:
        if item.position in left_out and not (skip_known and left_out[item.position]):
            bad.append(Bad(item.position, item.name, TAKEN, item.raw))
    ImportFailure.objects.bulk_create(
        (ImportFailure(import_row=row, position=b.position, name=b.name, reason=b.reason, item=b.raw) for b in bad),
        batch_size=1000,
    )
    labeled = _label(row, labels, {k: v for k, v in entries.items() if k not in left_out}, good) if labels else 0
    Import.objects.filter(pk=row.pk).update(
        created=F("created") + len(good) - len(left_out),
        skipped=F("skipped") + skipped,
        failed=F("failed") + len(bad),
        labeled=F("labeled") + labeled,
    )


def _with_labels(
    items: list[Listed], labels: LabelReader | None, bad: list[Bad]
) -> tuple[list[Listed], dict[int, list[Any]]]:
    """The items whose labels, if they count, can be read; and those labels by position."""
    if labels is None:
        return items, {}
    good: list[Listed] = []
    entries: dict[int, list[Any]] = {}
    for item in items:
        try:
            if item.labels is not None:
                entries[item.position] = labels.read(item.labels)
            good.append(item)
        except (LabelErrors, ValueError) as error:
            bad.append(Bad(item.position, item.name, f"Its labels: {error}", item.raw))
    return good, entries


def _insert(row: Import, items: Sequence[Listed]) -> dict[int, bool]:
    """Positions that did not come in, and whether the very same image is there already."""
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy("COPY staged_items (position, uid, name, path, meta) FROM STDIN") as copy:
            for item, uid in zip(items, _uids(len(items)), strict=True):
                meta = json.dumps(item.meta) if item.meta else "{}"
                copy.write_row((item.position, uid, item.name, item.path, meta))
        moment = timezone.now()
        cursor.execute(_INSERT, [row.dataset_id, row.storage_id, row.pk, moment])
        if cursor.rowcount == len(items):
            left_out = {}
        else:
            cursor.execute(_LEFT_OUT, [row.storage_id, row.dataset_id, row.pk, moment])
            left_out = dict(cursor.fetchall())
        cursor.execute("DROP TABLE staged_items")
    return left_out


def _uids(count: int) -> Iterator[str]:
    """Random UUIDs (version 4) from one draw: PostgreSQL would ask the system for every one."""
    digits = os.urandom(16 * count).hex()
    for at in range(0, len(digits), 32):
        yield f"{digits[at : at + 12]}4{digits[at + 13 : at + 16]}a{digits[at + 17 : at + 32]}"


def _label(row: Import, labels: LabelReader, entries: dict[int, list[Any]], items: Sequence[Listed]) -> int:
    mine = [item for item in items if item.position in entries]
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [row.dataset_id, [item.name for item in mine]])
        keys = dict(cursor.fetchall())
    authors = authors_of(row.dataset.organization_id, {item.origin.author for item in mine})
    rows = [
        EntryRow(
            keys[item.name],
            entries[item.position],
            item.origin.source,
            confidence=item.origin.confidence,
            cycle=item.origin.cycle,
            author_id=authors.get(item.origin.author),
        )
        for item in mine
    ]
    return upsert_entries(labels.labelset_id, rows)
