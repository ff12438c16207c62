"""Labels in a file beside the images, COCO or RedBrick's list: for images of one import, found by their names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import F, Func, TextField, Value

from apps.common import runs
from apps.taxonomies import services as taxonomies
from apps.taxonomies.labels import LabelErrors
from apps.taxonomies.labels import parse as parse_labels
from apps.taxonomies.trees import ROOT
from apps.warehouse.formats import FormatError, Problem, coco
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Import, ImportFailure, Labelset
from apps.warehouse.staging import LabelReader
from apps.warehouse.storages import open_own

BYTES_LIMIT = 256 << 20
NAMES_AT_ONCE = 1000
NAME_LIMIT = 500
_PLACE = "labels "


class LabelFile(Protocol):
    """What a file says: of which images, what made no sense in it, and the labels of one."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def problems(self) -> Sequence[Problem]: ...

    def labels(self, name: str, point: Datapoint) -> tuple[list[Any] | None, Sequence[Problem]]:
        """Its labels checked, or None; and everything that was left out."""
        ...


@dataclass(frozen=True, slots=True)
class Coco:
    """Boxes in pixels: of the image where its size is known, else of the size that the file gives."""

    file: coco.CocoFile
    class_of: Mapping[str, int]

    @property
    def names(self) -> Sequence[str]:
        return list(self.file.pictures)

    @property
    def problems(self) -> Sequence[Problem]:
        return self.file.problems

    def labels(self, name: str, point: Datapoint) -> tuple[list[Any] | None, Sequence[Problem]]:
        picture = self.file.pictures[name]
        width, height = point.width or picture.width, point.height or picture.height
        if not width or not height:
            return None, [Problem(name, "Neither the image nor the file says how large it is. Its boxes are left out.")]
        raw, problems = coco.to_labels(picture, width=width, height=height, class_of=self.class_of)
        if raw is None:
            return None, problems
        try:
            return list(parse_labels(raw, class_ids=set(self.class_of.values()))), problems
        except LabelErrors as error:
            return None, [*problems, Problem(name, f"Its labels: {error}")]


@dataclass(frozen=True, slots=True)
class RedBrick:
    """Boxes as shares of the image, in the exchange form."""

    reader: LabelReader
    raw: Mapping[str, list[Any]]
    problems: Sequence[Problem] = field(default_factory=list)

    @property
    def names(self) -> Sequence[str]:
        return list(self.raw)

    def labels(self, name: str, point: Datapoint) -> tuple[list[Any] | None, Sequence[Problem]]:
        try:
            return self.reader.read(self.raw[name]), []
        except (LabelErrors, ValueError) as error:
            return None, [Problem(name, f"Its labels: {error}")]


def reader_of(labelset: Labelset) -> LabelReader:
    """How labels in the exchange form are read into a labelset."""
    palette = taxonomies.palette(labelset.taxonomy)
    paths = {(ROOT, *each["path"]): each["id"] for each in palette}
    names = {each["name"]: each["id"] for each in palette}

    def class_of(path: list[str]) -> int | None:
        return paths.get(tuple(path), names.get(path[-1]) if len(path) == 1 else None)

    return LabelReader(labelset.pk, frozenset(names.values()), class_of)


def keep(file: BinaryIO) -> str:
    """Store the file for the run that reads it; raises ValidationError for one that cannot be such a file."""
    if file.seek(0, 2) > BYTES_LIMIT:
        raise ValidationError(f"The file of labels is larger than {BYTES_LIMIT >> 20} MB.")
    file.seek(0)
    if file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        raise ValidationError("The file of labels is neither COCO, a JSON object, nor RedBrick's JSON list.")
    file.seek(0)
    return str(default_storage.save(f"imports/{uuid.uuid4()}.json", File(file)))


def of_import(row: Import) -> LabelFile | None:
    """The labels that come with an import, if any; raises FormatError for a file that is broken as a whole."""
    path = row.params.get("labels")
    if not path or row.labelset is None:
        return None
    with open_own(path) as file:
        return parse(file.read(), row.labelset)


def parse(data: bytes, labelset: Labelset) -> LabelFile:
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise FormatError(f"The file of labels is not JSON: {error}.") from error
    except RecursionError as error:
        raise FormatError("The file of labels is nested too deeply.") from error
    if isinstance(raw, dict):
        palette = taxonomies.palette(labelset.taxonomy)
        return Coco(coco.parse(raw, "The file of labels"), {each["name"]: each["id"] for each in palette})
    if isinstance(raw, list):
        return _redbrick(raw, reader_of(labelset))
    raise FormatError("The file of labels is neither COCO nor RedBrick's list.")


def _redbrick(items: Sequence[object], reader: LabelReader) -> RedBrick:
    found: dict[str, list[Any]] = {}
    problems: list[Problem] = []
    for position, item in enumerate(items, 1):
        name = _name(item)
        labels = item.get("labels") if isinstance(item, dict) else None
        if not name:
            problems.append(Problem(f"item {position}", "It needs a name, a url, or items with exactly one path."))
        elif not isinstance(labels, list):
            problems.append(Problem(name, "Its labels must be a list."))
        elif name in found:
            problems.append(Problem(name, "The image is listed twice."))
        else:
            found[name] = labels
    return RedBrick(reader, found, problems)


def _name(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    paths = item.get("items")
    only = paths[0] if isinstance(paths, list) and len(paths) == 1 else None
    name = item.get("name") or item.get("url") or only
    return name if isinstance(name, str) else ""


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
    names, listed = file.names, frozenset(file.names)
    for at in range(done, len(names), NAMES_AT_ONCE):
        chunk = names[at : at + NAMES_AT_ONCE]
        entries, problems = _entries(row, file, chunk, listed)
        with handle.guard():
            _note(row, entries, problems, at + len(chunk))
        handle.progress(at + len(chunk), len(names), "reading labels")


def _note(row: Import, entries: Sequence[EntryRow], problems: Sequence[Problem], place: int) -> None:
    upsert_entries(row.labelset_id or 0, entries)
    ImportFailure.objects.bulk_create(
        ImportFailure(import_row=row, name=each.name[:NAME_LIMIT].replace("\x00", ""), reason=each.reason)
        for each in problems
    )
    Import.objects.filter(pk=row.pk).update(
        cursor=f"{_PLACE}{place}", labeled=F("labeled") + len(entries), failed=F("failed") + len(problems)
    )


def _entries(
    row: Import, file: LabelFile, names: Sequence[str], listed: frozenset[str]
) -> tuple[list[EntryRow], list[Problem]]:
    points = _points(row, [name for name in names if "\x00" not in name], listed)
    entries: list[EntryRow] = []
    problems: list[Problem] = []
    for name in names:
        mine = points.get(name, [])
        if len(mine) != 1:
            none = "No image of this name came in with this import."
            problems.append(Problem(name, "The paths of several images end so." if mine else none))
            continue
        labels, left_out = file.labels(name, mine[0])
        problems += left_out
        if labels is not None:
            entries.append(EntryRow(mine[0].pk, labels, "import"))
    return entries, problems


def _points(row: Import, names: Sequence[str], listed: frozenset[str]) -> dict[str, list[Datapoint]]:
    """The images that are meant: of that very name, else those whose path ends in it."""
    rows = row.datapoints.only("pk", "name", "width", "height")
    found = {point.name: [point] for point in rows.filter(name__in=names)}
    if missing := [name for name in names if name not in found and "/" not in name]:
        base = Func(F("name"), Value("^.*/"), Value(""), function="regexp_replace", output_field=TextField())
        for point in rows.annotate(base=base).filter(base__in=missing, name__contains="/"):
            if point.name not in listed:
                found.setdefault(point.name.rpartition("/")[2], []).append(point)
    return found
