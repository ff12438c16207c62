"""Labels that come with images, in a file beside them or in their own archive or folder: found by their names."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import F, Func, TextField, Value

from apps.common import runs
from apps.common.texts import is_storable, storable
from apps.warehouse import archives
from apps.warehouse.formats import Problem, table
from apps.warehouse.label_readers import BYTES_LIMIT, LabelFile, Reading, of_bytes, of_tree
from apps.warehouse.label_trees import Tree, ZipTree
from apps.warehouse.labelset_entries import EntryRow, authors_of, upsert_entries
from apps.warehouse.models import Datapoint, Import, ImportFailure
from apps.warehouse.storages import local, open_own

NAMES_AT_ONCE = 1000
NAME_LIMIT = 500
_PLACE = "labels "
_UNKNOWN = (
    "The file of labels is none that Winnow reads: COCO or RedBrick's JSON, CSV with a row a box, "
    "or a ZIP archive of them, of YOLO or of Pascal VOC."
)


def keep(file: BinaryIO) -> str:
    """Store the file for the run that reads it; raises ValidationError for one that cannot be such a file."""
    if file.seek(0, 2) > BYTES_LIMIT:
        raise ValidationError(f"The file of labels is larger than {BYTES_LIMIT >> 20} MB.")
    file.seek(0)
    suffix = _suffix(file.read(4096))
    file.seek(0)
    return str(default_storage.save(f"imports/{uuid.uuid4()}{suffix}", File(file)))


def _suffix(begin: bytes) -> str:
    if begin.startswith(b"PK\x03\x04"):
        return ".zip"
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return ".json"
    if table.is_header(begin.partition(b"\n")[0]):
        return ".csv"
    raise ValidationError(_UNKNOWN)


@contextmanager
def of_import(row: Import, tree: Tree | None) -> Iterator[LabelFile | None]:
    """The labels that come with an import, if any; raises FormatError for what is broken as a whole."""
    path = row.params.get("labels")
    if row.labelset is None or (not path and tree is None):
        yield None
    elif not path and tree is not None:
        yield of_tree(tree, row.labelset)
    elif path.endswith(".zip"):
        with local(path) as file, archives.open_archive(file) as archive:
            # Images come from elsewhere, under names of their own.
            yield replace(of_tree(ZipTree(archive), row.labelset), named=str)
    else:
        with open_own(path) as file:
            yield of_bytes(file.read(), f"The file of labels.{path.rpartition('.')[2]}", row.labelset)


def has_begun(row: Import) -> bool:
    """Whether the images of the import are all in, and its labels are being read."""
    return row.cursor.startswith(_PLACE)


def bring_in(handle: runs.Handle, row: Import, file: LabelFile) -> None:
    """What a worker does once the images are in; goes on from the place that was committed last."""
    row.refresh_from_db(fields=["cursor"])
    done = int(row.cursor.removeprefix(_PLACE)) if has_begun(row) else 0
    if not has_begun(row):
        with handle.guard():
            _note(row, [], file.problems, 0)
    keys = file.keys
    for at in range(done, len(keys), NAMES_AT_ONCE):
        chunk = keys[at : at + NAMES_AT_ONCE]
        entries, problems = _entries(row, file, chunk)
        with handle.guard():
            _note(row, entries, problems, at + len(chunk))
        handle.progress(at + len(chunk), len(keys), "reading labels")


def _note(row: Import, entries: Sequence[EntryRow], problems: Sequence[Problem], place: int) -> None:
    upsert_entries(row.labelset_id or 0, entries)
    ImportFailure.objects.bulk_create(
        ImportFailure(import_row=row, name=storable(each.name[:NAME_LIMIT]), reason=storable(each.reason))
        for each in problems
    )
    Import.objects.filter(pk=row.pk).update(
        cursor=f"{_PLACE}{place}", labeled=F("labeled") + len(entries), failed=F("failed") + len(problems)
    )


def _entries(row: Import, file: LabelFile, keys: Sequence[str]) -> tuple[list[EntryRow], list[Problem]]:
    points = _points(row, file, [key for key in keys if is_storable(key)])
    found: list[tuple[Datapoint, Reading]] = []
    problems: list[Problem] = []
    for key in keys:
        mine = points.get(key, [])
        if len(mine) != 1:
            none = "No image of this name came in with this import."
            problems.append(Problem(key, "Several images could be meant." if mine else none))
            continue
        reading = file.labels(key, mine[0])
        problems += reading.problems
        if reading.labels is not None:
            found.append((mine[0], reading))
    return _rows(row, found, problems), problems


def _rows(row: Import, found: Sequence[tuple[Datapoint, Reading]], problems: list[Problem]) -> list[EntryRow]:
    """The entries to write, one a datapoint."""
    authors = authors_of(row.dataset.organization_id, {reading.origin.author for _, reading in found})
    rows: dict[int, EntryRow] = {}
    for point, reading in found:
        origin = reading.origin
        if point.pk in rows:
            problems.append(Problem(point.name, "Its labels are there twice."))
            continue
        rows[point.pk] = EntryRow(
            point.pk,
            reading.labels or [],
            origin.source,
            confidence=origin.confidence,
            cycle=origin.cycle,
            author_id=authors.get(origin.author),
        )
    return list(rows.values())


def _points(row: Import, file: LabelFile, keys: Sequence[str]) -> dict[str, list[Datapoint]]:
    """The images that are meant: of one of these very names, else those whose path ends in it."""
    rows = row.datapoints.only("pk", "name", "width", "height")
    key_of = {name: key for key in keys for name in file.candidates(key)}
    found: dict[str, list[Datapoint]] = {}
    for point in rows.filter(name__in=key_of):
        found.setdefault(key_of[point.name], []).append(point)
    bare = {name: key for name, key in key_of.items() if key not in found and "/" not in name}
    if bare:
        trimmed = Func(F("name"), Value(file.trimmed), Value(""), Value("g"), function="regexp_replace",
                       output_field=TextField())  # fmt: skip
        for point in rows.annotate(trimmed=trimmed).filter(trimmed__in=bare, name__contains="/"):
            if not file.means(point.name):
                found.setdefault(bare[re.sub(file.trimmed, "", point.name)], []).append(point)
    return found
