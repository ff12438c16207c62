"""Imports as runs: ask for one, do it in pieces that each commit with their place, try failures again, undo."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run
from apps.warehouse import archives, intake, items_list, label_files, methods, removing, taking
from apps.warehouse.formats import FormatError
from apps.warehouse.items_list import Bad, Listed
from apps.warehouse.label_readers import reader_of
from apps.warehouse.label_trees import ZipTree, has_labels, recognize
from apps.warehouse.models import Dataset, Import, Labelset, StorageMethod
from apps.warehouse.s3 import S3, StorageError
from apps.warehouse.signals import announce_datapoints
from apps.warehouse.staging import LabelReader, stage
from apps.warehouse.storages import open_own, winnow_storage

KIND, UNDO = "import", "undo-import"
ITEMS_AT_ONCE = 20_000
Provider = StorageMethod.Provider
Thing = TypeVar("Thing")


def start_items_list(
    *, dataset: Dataset, storage: StorageMethod, file: BinaryIO, labelset: Labelset | None = None, by: User | None
) -> Import:
    """Import a JSON list of paths; the list as a whole is checked first, so a broken one writes nothing."""
    if storage.provider == Provider.WINNOW:
        raise ValidationError("An items list names images in a bucket or on the web: choose such a storage.")
    try:
        total = items_list.count(file)
    except FormatError as error:
        raise ValidationError(str(error)) from error
    if not total:
        raise ValidationError("The list is empty.")
    file.seek(0)
    path = default_storage.save(f"imports/{uuid.uuid4()}.json", File(file))
    return _start(dataset, storage, "items-list", {"file": path}, by, total=total, labelset=labelset)


def start_prefix(
    *,
    dataset: Dataset,
    storage: StorageMethod,
    prefix: str,
    pattern: str = "",
    labels: BinaryIO | None = None,
    labelset: Labelset | None = None,
    by: User | None,
) -> Import:
    """Import what a bucket holds under a prefix; the next time only what is new."""
    if storage.provider != Provider.AWS_S3:
        raise ValidationError("Only a bucket can be listed.")
    params = {"prefix": prefix.lstrip("/"), "pattern": pattern.strip()} | _kept(labels)
    return _start(dataset, storage, "s3-prefix", params, by, labelset=labelset)


def start_folder(
    *,
    dataset: Dataset,
    root: str,
    folder: str = "",
    labels: BinaryIO | None = None,
    labelset: Labelset | None = None,
    by: User | None,
) -> Import:
    """Copy the pictures of a folder of the server's machine, of those its operator has opened.

    With a labelset and no file of labels, those in the folder go there.
    """
    try:
        taking.folder_of(root, folder)
    except FormatError as error:
        raise ValidationError(str(error)) from error
    params = {"root": root, "folder": folder.strip().strip("/")} | _kept(labels)
    return _start(dataset, winnow_storage(dataset.organization), "folder", params, by, labelset=labelset)


def start_zip(
    *,
    dataset: Dataset,
    file: BinaryIO,
    labels: BinaryIO | None = None,
    labelset: Labelset | None = None,
    by: User | None,
) -> Import:
    """Import the pictures of a ZIP archive into Winnow's own storage.

    With a labelset and no file of labels, those in the archive go there.
    """
    try:
        with archives.open_archive(file) as archive:
            total = sum(1 for _ in archives.entries(archive))
            if labelset and not labels:
                recognize(ZipTree(archive))
    except FormatError as error:
        raise ValidationError(str(error)) from error
    if not total:
        raise ValidationError("The archive has no pictures in it.")
    file.seek(0)
    params = _kept(labels) | {"file": default_storage.save(f"imports/{uuid.uuid4()}.zip", File(file))}
    storage = winnow_storage(dataset.organization)
    return _start(dataset, storage, "zip", params, by, total=total, labelset=labelset)


def _kept(labels: BinaryIO | None) -> dict[str, Any]:
    return {"labels": label_files.keep(labels)} if labels else {}


@transaction.atomic
def _start(
    dataset: Dataset,
    storage: StorageMethod,
    source: str,
    params: dict[str, Any],
    by: User | None,
    *,
    total: int = 0,
    labelset: Labelset | None = None,
) -> Import:
    row = Import(dataset=dataset, storage=storage, source=source, params=params, created_by=by, labelset=labelset)
    try:
        removing.require_kept([dataset.pk])
    except Conflict:
        intake.discard_lists(row)
        raise
    row.save()
    _enqueue(row, KIND, by, total=total)
    return row


def _enqueue(row: Import, kind: str, by: User | None, *, total: int = 0, params: dict[str, Any] | None = None) -> None:
    run = runs.create(
        organization=row.dataset.organization,
        kind=kind,
        target=row.pk,
        params={"total": total, **(params or {})},
        requested_by=by,
        total=total,
    )
    row.run = run
    row.save(update_fields=["run"])
    runs.enqueue(run)


def perform(handle: runs.Handle) -> dict[str, Any]:
    """What a worker does for an import: goes on from the place that was committed last."""
    row = Import.objects.select_related("dataset__organization", "storage", "labelset__taxonomy").get(
        pk=handle.run.target or 0
    )
    left = False
    try:
        if handle.params.get("retry"):
            _retry(handle, row)
        else:
            left = _bring_in(handle, row)
    except (FormatError, StorageError) as error:
        raise runs.Failure(str(error)) from error
    row.refresh_from_db()
    counts = {"created": row.created, "skipped": row.skipped, "failed": row.failed, "labeled": row.labeled}
    return counts | ({"labels_left": True} if left else {})


def _bring_in(handle: runs.Handle, row: Import) -> bool:
    """Images, then their labels. The labels are looked at first: broken as a whole, they bring nothing in.

    Returns whether there were labels that nobody has asked for.
    """
    with taking.tree_of(row) as tree, label_files.of_import(row, tree) as labels:
        if not label_files.has_begun(row):
            if tree is not None:
                taking.take(handle, row, tree, labels.named if labels else str)
            else:
                SOURCES[row.source](handle, row)
        if labels is not None:
            label_files.bring_in(handle, row, labels)
        return tree is not None and labels is None and has_labels(tree)


def _items_list(handle: runs.Handle, row: Import) -> None:
    labels, absolute = _reader(row), _is_absolute(row)
    done, total = int(row.cursor or 0), int(handle.params.get("total", 0))
    with open_own(row.params["file"]) as file:
        items = items_list.read(file, absolute=absolute, skip=done)
        for chunk in _ahead(_chunks(items, ITEMS_AT_ONCE)):
            done += len(chunk)
            _commit(handle, row, chunk, str(done), labels=labels)
            handle.progress(done, total, "reading the list")


def _reader(row: Import) -> LabelReader | None:
    return reader_of(row.labelset) if row.labelset else None


def _is_absolute(row: Import) -> bool:
    """Whether its paths are URLs rather than keys of a bucket."""
    return row.storage is not None and row.storage.provider == Provider.PUBLIC


def _prefix(handle: runs.Handle, row: Import) -> None:
    """Keys come in the order of the alphabet, so the last one is the place to go on from."""
    assert row.storage is not None  # noqa: S101
    pages = S3(row.storage).list(row.params["prefix"], after=row.cursor)
    position = row.created + row.skipped + row.failed
    for page in _gathered(pages, ITEMS_AT_ONCE):
        wanted = [found for found in page if _is_wanted(found.key, row.params["pattern"])]
        chunk = [_found(each.key, position + n) for n, each in enumerate(wanted, 1)]
        position += len(chunk)
        _commit(handle, row, chunk, page[-1].key, skip_known=True)
        handle.progress(position, position, "listing the bucket")


def _found(key: str, position: int) -> Listed | Bad:
    reason = items_list.wrong_with(key, key, absolute=False)
    return Bad(position, archives.shown(key), reason) if reason else Listed(position, key, key)


def _is_wanted(key: str, pattern: str) -> bool:
    return Path(key).suffix.lower() in archives.SUFFIXES and (not pattern or fnmatchcase(key, pattern))


SOURCES: dict[str, Callable[[runs.Handle, Import], None]] = {
    "items-list": _items_list,
    "s3-prefix": _prefix,
}


def _commit(
    handle: runs.Handle,
    row: Import,
    chunk: Sequence[Listed | Bad],
    cursor: str,
    *,
    skip_known: bool = False,
    labels: LabelReader | None = None,
) -> None:
    """The items and the place behind them, in one transaction that a superseded worker cannot make."""
    with handle.guard():
        stage(row, chunk, skip_known=skip_known, labels=labels)
        Import.objects.filter(pk=row.pk).update(cursor=cursor)
        if row.storage is not None and _is_absolute(row):
            methods.remember_origins(row.storage, {each.path for each in chunk if isinstance(each, Listed)})


def _chunks(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _ahead(chunks: Iterator[list[Thing]]) -> Iterator[list[Thing]]:
    """Each chunk is read while PostgreSQL takes in the one before. `chunks` touches no database."""
    with ThreadPoolExecutor(1) as reader:
        waiting: Future[list[Thing]] = reader.submit(next, chunks, [])
        while chunk := waiting.result():
            waiting = reader.submit(next, chunks, [])
            yield chunk


def _gathered(pages: Iterable[list[Thing]], size: int) -> Iterator[list[Thing]]:
    """Pages put together until it is worth a transaction."""
    return _chunks(chain.from_iterable(pages), size)


def retry_failed(*, import_row: Import, by: User | None) -> None:
    """Try again what failed: items that did not come in, and images that could not be read."""
    with transaction.atomic():
        row = Import.objects.select_for_update().get(pk=import_row.pk)
        _require_idle(row)
        failures = row.failures.exclude(item=None).count()
        unread = row.datapoints.exclude(error="").count()
        if not failures and not unread:
            raise Conflict("Nothing of this import can be tried again: upload the files anew.")
        row.datapoints.exclude(error="").update(error="")
        last = row.failures.order_by("-pk").values_list("pk", flat=True).first()
        _enqueue(row, KIND, by, total=failures, params={"retry": True, "last": last or 0})


def _retry(handle: runs.Handle, row: Import) -> None:
    """Failures up to the last one there was when it was asked for, in pieces; each leaves its list as it is tried."""
    labels, absolute, done = _reader(row), _is_absolute(row), 0
    mine = row.failures.exclude(item=None).filter(pk__lte=handle.params["last"]).order_by("pk")
    while failures := list(mine[:ITEMS_AT_ONCE]):
        items = [items_list.understand(each.item, each.position or 0, absolute=absolute) for each in failures]
        with handle.guard():
            row.failures.filter(pk__in=[each.pk for each in failures]).delete()
            Import.objects.filter(pk=row.pk).update(failed=F("failed") - len(failures))
            stage(row, items, labels=labels)
        done += len(failures)
        handle.progress(done, handle.params["total"], "trying again")


def ended(run: Run) -> None:
    """However it ended: what is in is in, and the apps above hear of it."""
    from apps.warehouse import preparing

    row = Import.objects.select_related("dataset__organization").filter(pk=run.target or 0).first()
    if row is not None:
        announce_datapoints(row.dataset_id, row.pk)
        preparing.start(row.dataset)


def retried(run: Run) -> None:
    """A run that broke off goes on, unless the import was tried again or undone by another since."""
    row = Import.objects.select_for_update().filter(pk=run.target or 0).first()
    if row is not None and row.run_id != run.pk:
        raise Conflict("Something newer was done with this import: go on from its own page.")


def undo(*, import_row: Import, by: User | None) -> None:
    """Remove what the import created, unless it is used."""
    with transaction.atomic():
        row = Import.objects.select_for_update().get(pk=import_row.pk)
        _require_idle(row)
        if row.undone_at is not None:
            raise Conflict("This import is undone already.")
        _enqueue(row, UNDO, by, total=row.datapoints.count())


def _require_idle(row: Import) -> None:
    if row.run is not None and row.run.is_active:
        raise Conflict("The import is still running: cancel it first.")
