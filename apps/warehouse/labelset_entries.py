"""The one writer of labelset entries: set-wise upserts that fill the columns pages filter and count by."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

from apps.accounts.models import User

_COLUMNS = "datapoint_id, task_uid, labels, source, confidence, cycle, author_id"
_ROWS = """
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS given(
  datapoint_id bigint, task_uid uuid, labels jsonb, source text, confidence float8, cycle integer, author_id bigint)
"""
# Classes and their boxes come from one aggregate, so that the two arrays stay in step.
_UPSERT = """
INSERT INTO warehouse_labelsetentry (
  labelset_id, datapoint_id, task_uid, labels, source, confidence, cycle, author_id,
  class_ids, class_boxes, box_count, created_at, updated_at)
SELECT %s, source.datapoint_id, source.task_uid, source.labels, source.source, source.confidence, source.cycle,
  source.author_id, coalesce(counted.classes, '{{}}'), coalesce(counted.boxes, '{{}}'),
  jsonb_array_length(source.labels), now(), now()
FROM ({rows}) AS source({columns})
CROSS JOIN LATERAL (
  SELECT array_agg(class ORDER BY class) AS classes, array_agg(boxes ORDER BY class) AS boxes FROM (
    SELECT (label->>'category')::integer AS class, count(*)::integer AS boxes
    FROM jsonb_array_elements(source.labels) AS label GROUP BY 1) AS by_class) AS counted
ON CONFLICT (labelset_id, datapoint_id) DO UPDATE SET
  task_uid = excluded.task_uid, labels = excluded.labels, source = excluded.source,
  confidence = excluded.confidence, cycle = excluded.cycle, author_id = excluded.author_id,
  class_ids = excluded.class_ids, class_boxes = excluded.class_boxes, box_count = excluded.box_count,
  changed = excluded.changed, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """The final labels of one datapoint. `source` is human, model or import; a model gives its confidence."""

    datapoint_id: int
    labels: Sequence[Any]
    source: str
    task_uid: uuid.UUID | None = None
    confidence: float | None = None
    cycle: int | None = None
    author_id: int | None = None


def authors_of(organization_id: int, addresses: Collection[str]) -> dict[str, int]:
    """Members of the organization by e-mail: whom a file may name as authors."""
    members = User.objects.filter(
        memberships__organization=organization_id, email__in=[each for each in addresses if each]
    )
    return dict(members.values_list("email", "pk"))


def upsert_entries(labelset_id: int, rows: Sequence[EntryRow]) -> int:
    """Write the rows in one statement; how many were written. A datapoint may be among them once."""
    if not rows:
        return 0
    given = json.dumps([asdict(row) for row in rows], default=str, allow_nan=False)
    columns = f"{_COLUMNS}"
    select = f"SELECT {columns} FROM ({_ROWS}) AS every"  # noqa: S608
    return upsert_from(labelset_id, select, [given])


def upsert_from(labelset_id: int, select: str, params: Sequence[Any] = ()) -> int:
    """The same from a query of ours that gives datapoint_id, task_uid, labels, source, confidence, cycle, author_id.

    `select` is SQL written by a developer; values go into `params`.
    """
    statement = _UPSERT.format(rows=select, columns=_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(statement, [labelset_id, *params])
        return int(cursor.rowcount)
