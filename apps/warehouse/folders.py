"""A folder of images, with or without a COCO file, becomes datapoints and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.taxonomies import services as taxonomies
from apps.taxonomies.labels import LabelErrors
from apps.taxonomies.labels import parse as parse_labels
from apps.warehouse import intake, removing
from apps.warehouse.formats import Problem, coco
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Dataset, Import, ImportFailure, Labelset, StorageMethod
from apps.warehouse.pictures import BadPicture
from apps.warehouse.signals import announce_datapoints
from apps.warehouse.staging import TAKEN
from apps.warehouse.storages import winnow_storage
from apps.warehouse.taking import THREADS, picture_names

FILES_AT_ONCE = 64


@dataclass(slots=True)
class FolderReport:
    """What came of it: counts, and everything that did not come in by name and reason."""

    import_row: Import
    created: int = 0
    labeled: int = 0
    boxes: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that come with the images and where they go."""

    file: coco.CocoFile
    labelset: Labelset


def import_folder(
    *,
    dataset: Dataset,
    folder: Path,
    labels: Labels | None = None,
    only: Sequence[str] | None = None,
    by: User | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FolderReport:
    """Every picture under `folder` (or `only` those, by relative path) as a datapoint named by its relative path.

    With labels, each image the file lists gets an entry, an empty one if it lists no boxes.
    """
    storage = winnow_storage(dataset.organization)
    with transaction.atomic():
        removing.require_kept([dataset.pk])
        row = Import.objects.create(dataset=dataset, storage=storage, source="folder", created_by=by)
    row.params = {"folder": str(folder)}
    row.save(update_fields=["params"])
    report = FolderReport(row, problems=list(labels.file.problems) if labels else [])
    names = list(only) if only is not None else sorted(picture_names(folder))
    class_of = _classes(labels.labelset) if labels else {}
    with ThreadPoolExecutor(THREADS) as threads:
        for first in range(0, len(names), FILES_AT_ONCE):
            chunk = names[first : first + FILES_AT_ONCE]
            _import_chunk(report, storage, folder, chunk, threads)
            if labels:
                _label_chunk(report, labels, chunk, class_of)
            if progress:
                progress(min(first + FILES_AT_ONCE, len(names)), len(names))
    if labels and only is None:
        report.problems += [
            Problem(name, "The folder has no such image.") for name in labels.file.pictures.keys() - set(names)
        ]
    _record(report)
    return report


def _classes(labelset: Labelset) -> dict[str, int]:
    return {each["name"]: each["id"] for each in taxonomies.palette(labelset.taxonomy)}


def _import_chunk(
    report: FolderReport, storage: StorageMethod, folder: Path, names: Sequence[str], threads: ThreadPoolExecutor
) -> None:
    dataset = report.import_row.dataset
    taken = set(dataset.datapoints.filter(name__in=names).values_list("name", flat=True))
    report.problems += [Problem(name, TAKEN) for name in names if name in taken]
    fresh = [name for name in dict.fromkeys(names) if name not in taken]
    made = threads.map(lambda name: _store(dataset, storage, folder, name, report.import_row), fresh)
    good: list[Datapoint] = []
    for name, result in zip(fresh, made, strict=True):
        if isinstance(result, Datapoint):
            good.append(result)
        else:
            report.problems.append(Problem(name, result))
    report.created += _save(report, good)


def _save(report: FolderReport, good: Sequence[Datapoint]) -> int:
    """Insert the datapoints; whoever took a name meanwhile keeps it."""
    dataset = report.import_row.dataset
    with transaction.atomic():
        Datapoint.objects.bulk_create(good, ignore_conflicts=True)
        saved = set(Datapoint.objects.filter(uid__in=[each.uid for each in good]).values_list("uid", flat=True))
        Import.objects.filter(pk=report.import_row.pk).update(created=F("created") + len(saved))
        announce_datapoints(dataset.pk)
    for datapoint in good:
        if datapoint.uid not in saved:
            intake.discard(datapoint)
            report.problems.append(Problem(datapoint.name, TAKEN))
    return len(saved)


def _store(dataset: Dataset, storage: StorageMethod, folder: Path, name: str, import_row: Import) -> Datapoint | str:
    """The stored datapoint, or why there is none. Touches no database: it runs in a thread."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return "The path leads out of the folder."
    try:
        with path.open("rb") as file:
            return intake.store_upload(dataset, storage, intake.clean_name(name), file, import_row)
    except BadPicture as error:
        return str(error)
    except OSError as error:
        return f"The file cannot be read: {error.strerror}."


def _label_chunk(report: FolderReport, labels: Labels, names: Sequence[str], class_of: dict[str, int]) -> None:
    listed = [name for name in names if name in labels.file.pictures]
    rows = []
    known = report.import_row.dataset.datapoints.filter(name__in=listed)
    for datapoint in known.only("pk", "name", "width", "height"):
        row = _entry(report, labels, datapoint, class_of)
        if row is not None:
            rows.append(row)
    with transaction.atomic():
        upsert_entries(labels.labelset.pk, rows)
    report.labeled += len(rows)
    report.boxes += sum(len(row.labels) for row in rows)


def _entry(report: FolderReport, labels: Labels, datapoint: Datapoint, class_of: dict[str, int]) -> EntryRow | None:
    picture = labels.file.pictures[datapoint.name]
    if datapoint.width is None or datapoint.height is None:
        report.problems.append(Problem(datapoint.name, "Its size is not known yet. Its boxes are left out."))
        return None
    raw, problems = coco.to_labels(picture, width=datapoint.width, height=datapoint.height, class_of=class_of)
    report.problems += problems
    if raw is None:
        return None
    try:
        parsed = parse_labels(raw, class_ids=set(class_of.values()))
    except LabelErrors as errors:
        report.problems.append(Problem(datapoint.name, str(errors)))
        return None
    return EntryRow(datapoint.pk, parsed, "import")


def _record(report: FolderReport) -> None:
    row = report.import_row
    problems = iter(report.problems)
    while some := list(islice(problems, 1000)):
        ImportFailure.objects.bulk_create(
            ImportFailure(import_row=row, name=each.name[: intake.NAME_LIMIT], reason=each.reason) for each in some
        )
    row.failed = len(report.problems)
    row.save(update_fields=["failed"])
