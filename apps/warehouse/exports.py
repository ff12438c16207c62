"""A labelset as a file: one consistent snapshot, streamed, constant in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import User
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT
from apps.warehouse.formats import Class, Item, coco, redbrick, table, voc, yolo
from apps.warehouse.models import Labelset, LabelsetEntry

ROWS_AT_ONCE = 1000
_COLUMNS = (
    "datapoint__uid", "datapoint__name", "datapoint__path", "datapoint__width", "datapoint__height",
    "source", "confidence", "cycle", "task_uid", "author__email",
)  # fmt: skip

Entries = QuerySet[LabelsetEntry]
Writer = Callable[[Labelset, Entries], Iterator[bytes]]


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is of one moment."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def classes_of(labelset: Labelset) -> list[Class]:
    return [
        Class(each["id"], each["name"], each["path"][-2] if len(each["path"]) > 1 else ROOT, (ROOT, *each["path"]))
        for each in taxonomies.palette(labelset.taxonomy)
    ]


def items(entries: Entries, *, with_labels: bool) -> Iterator[Item]:
    """The entries in the order of their keys, by a server-side cursor."""
    columns = (*_COLUMNS, "labels") if with_labels else _COLUMNS
    rows: Iterator[tuple[Any, ...]] = entries.order_by("pk").values_list(*columns).iterator(chunk_size=ROWS_AT_ONCE)
    without: tuple[Any, ...] = () if with_labels else ([],)
    for row in rows:
        yield Item(*row, *without)


def write_coco(labelset: Labelset, entries: Entries) -> Iterator[bytes]:
    with snapshot():
        yield from coco.write(
            info=_info(labelset),
            classes=classes_of(labelset),
            images=partial(items, entries, with_labels=False),
            labeled=partial(items, entries, with_labels=True),
        )


def _info(labelset: Labelset) -> dict[str, Any]:
    return {
        "description": f"{labelset.organization.name}: {labelset.name}",
        "date_created": timezone.now().isoformat(timespec="seconds"),
        "taxonomy": str(labelset.taxonomy),
        "contributor": "Winnow",
    }


def _plain(write: Callable[[Sequence[Class], Iterable[Item]], Iterator[bytes]]) -> Writer:
    """A format that is written in one pass."""

    def export(labelset: Labelset, entries: Entries) -> Iterator[bytes]:
        with snapshot():
            yield from write(classes_of(labelset), items(entries, with_labels=True))

    return export


@dataclass(frozen=True, slots=True)
class Format:
    """One way out."""

    label: str
    media_type: str
    suffix: str
    write: Writer


FORMATS = {
    "coco": Format("COCO", "application/json", "json", write_coco),
    "yolo": Format("YOLO", "application/zip", "yolo.zip", _plain(yolo.write)),
    "voc": Format("Pascal VOC", "application/zip", "voc.zip", _plain(voc.write)),
    "csv": Format("CSV", "text/csv; charset=utf-8", "csv", _plain(table.write)),
    "redbrick": Format("RedBrick JSON", "application/json", "redbrick.json", _plain(redbrick.write)),
}


def begin(chosen: Format, labelset: Labelset, entries: Entries, *, by: User | None) -> Iterator[bytes]:
    """The file in chunks, asked for by somebody: the audit trail tells of it."""
    audit.record(labelset.organization_id, by, "exported labelset", labelset.name, format=chosen.label)
    return chosen.write(labelset, entries)
