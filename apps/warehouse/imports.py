"""Imports as runs: ask for one, do it in pieces that each commit with their place, try failures again, undo."""

from __future__ import annotations

import io
import os
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
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
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT
from apps.warehouse import archives, intake, items_list, methods
from apps.warehouse.formats import FormatError
from apps.warehouse.items_list import Bad, Listed
from apps.warehouse.models import Datapoint, Dataset, Import, ImportFailure, Labelset, StorageMethod
from apps.warehouse.pictures import BadPicture
from apps.warehouse.s3 import S3, StorageError
from apps.warehouse.signals import announce_datapoints
from apps.warehouse.staging import TAKEN, LabelReader, stage
from apps.warehouse.storages import open_own, winnow_storage

KIND, UNDO = "import", "undo-import"
ITEMS_AT_ONCE = 20_000
FILES_AT_ONCE = 32
THREADS = min(4, os.cpu_count() or 1)
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
    *, dataset: Dataset, storage: StorageMethod, prefix: str, pattern: str = "", by: User | None
) -> Import:
    """Import what a bucket holds under a prefix; the next time only what is new."""
    if storage.provider != Provider.AWS_S3:
        raise ValidationError("Only a bucket can be listed.")
    params = {"prefix": prefix.lstrip("/"), "pattern": pattern.strip()}
    return _start(dataset, storage, "s3-prefix", params, by)


def start_zip(*, dataset: Dataset, file: BinaryIO, by: User | None) -> Import:
    """Import the pictures of a ZIP archive into Winnow's own storage."""
    try:
        with archives.open_archive(file) as archive:
            total = sum(1 for _ in archives.entries(archive))
    except FormatError as error:
        raise ValidationError(str(error)) from error
    if not total:
        raise ValidationError("The archive has no pictures in it.")
    file.seek(0)
    path = default_storage.save(f"imports/{uuid.uuid4()}.zip", File(file))
    return _start(dataset, winnow_storage(dataset.organization), "zip", {"file": path}, by, total=total)


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
    try:
        if handle.params.get("retry"):
            _retry(handle, row)
        else:
            {"items-list": _items_list, "s3-prefix": _prefix, "zip": _zip}[row.source](handle, row)
    except (FormatError, StorageError) as error:
        raise runs.Failure(str(error)) from error
    row.refresh_from_db()
    return {"created": row.created, "skipped": row.skipped, "failed": row.failed, "labeled": row.labeled}


def _items_list(handle: runs.Handle, row: Import) -> None:
    labels, absolute = _label_reader(row), _is_absolute(row)
    done, total = int(row.cursor or 0), int(handle.params.get("total", 0))
    with open_own(row.params["file"]) as file:
        items = items_list.read(file, absolute=absolute, skip=done)
        for chunk in _ahead(_chunks(items, ITEMS_AT_ONCE)):
            done += len(chunk)
            _commit(handle, row, chunk, str(done), labels=labels)
            handle.progress(done, total, "reading the list")


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
        chunk = [Listed(position + n, each.key, each.key) for n, each in enumerate(wanted, 1)]
        position += len(chunk)
        _commit(handle, row, chunk, page[-1].key, skip_known=True)
        handle.progress(position, position, "listing the bucket")


def _is_wanted(key: str, pattern: str) -> bool:
    return Path(key).suffix.lower() in archives.SUFFIXES and (not pattern or fnmatchcase(key, pattern))


def _zip(handle: runs.Handle, row: Import) -> None:
    with _local(row.params["file"]) as file, archives.open_archive(file) as archive:
        todo = (each for each in archives.entries(archive) if each.position > int(row.cursor or 0))
        done = row.created + row.failed
        with ThreadPoolExecutor(THREADS) as threads:
            for chunk in _chunks(todo, FILES_AT_ONCE):
                _store_chunk(handle, row, archive, chunk, threads)
                done += len(chunk)
                handle.progress(done, int(handle.params.get("total", 0)), "unpacking")


def _store_chunk(
    handle: runs.Handle,
    row: Import,
    archive: zipfile.ZipFile,
    chunk: Sequence[archives.Entry | Bad],
    threads: ThreadPoolExecutor,
) -> None:
    taken = set(row.dataset.datapoints.filter(name__in=[each.name for each in chunk]).values_list("name", flat=True))
    # One reader at a time: an archive has one place in its file.
    read = [(each, _read(archive, each, taken)) for each in chunk]
    made = list(threads.map(partial(_store, row), read))
    good = [each for each in made if isinstance(each, Datapoint)]
    bad = [each for each in made if isinstance(each, Bad)]
    with handle.guard():
        Datapoint.objects.bulk_create(good, ignore_conflicts=True)
        saved = set(Datapoint.objects.filter(uid__in=[each.uid for each in good]).values_list("uid", flat=True))
        lost = [each for each in good if each.uid not in saved]
        bad += [Bad(chunk[-1].position, each.name, TAKEN) for each in lost]
        ImportFailure.objects.bulk_create(
            ImportFailure(import_row=row, position=b.position, name=b.name, reason=b.reason) for b in bad
        )
        Import.objects.filter(pk=row.pk).update(
            cursor=str(chunk[-1].position), created=F("created") + len(saved), failed=F("failed") + len(bad)
        )
    for each in lost:
        intake.discard(each)


def _read(archive: zipfile.ZipFile, entry: archives.Entry | Bad, taken: set[str]) -> bytes | Bad:
    if isinstance(entry, Bad):
        return entry
    if entry.name in taken:
        return Bad(entry.position, entry.name, TAKEN)
    taken.add(entry.name)
    try:
        return archives.read(archive, entry)
    except BadPicture as error:
        return Bad(entry.position, entry.name, str(error))


def _store(row: Import, given: tuple[archives.Entry | Bad, bytes | Bad]) -> Datapoint | Bad:
    """In a thread: touches no database."""
    entry, data = given
    if isinstance(data, Bad):
        return data
    assert row.storage is not None  # noqa: S101
    try:
        return intake.store_upload(row.dataset, row.storage, entry.name, io.BytesIO(data), row)
    except BadPicture as error:
        return Bad(entry.position, entry.name, str(error))


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
        waiting = reader.submit(next, chunks, [])
        while chunk := waiting.result():
            waiting = reader.submit(next, chunks, [])
            yield chunk


def _gathered(pages: Iterable[list[Thing]], size: int) -> Iterator[list[Thing]]:
    """Pages put together until it is worth a transaction."""
    return _chunks(chain.from_iterable(pages), size)


def _label_reader(row: Import) -> LabelReader | None:
    if row.labelset is None:
        return None
    palette = taxonomies.palette(row.labelset.taxonomy)
    paths = {(ROOT, *each["path"]): each["id"] for each in palette}
    names = {each["name"]: each["id"] for each in palette}

    def class_of(path: list[str]) -> int | None:
        return paths.get(tuple(path), names.get(path[-1]) if len(path) == 1 else None)

    return LabelReader(row.labelset.pk, frozenset(names.values()), class_of)


@contextmanager
def _local(path: str) -> Iterator[BinaryIO]:
    """The file on this disk, seekable: a bucket's is copied."""
    with open_own(path) as source:
        if isinstance(getattr(source, "file", None), io.IOBase) and hasattr(source, "path"):
            yield source
            return
        with tempfile.TemporaryFile() as copy:
            for chunk in iter(partial(source.read, 1 << 20), b""):
                copy.write(chunk)
            copy.seek(0)
            yield copy


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
    labels, absolute, done = _label_reader(row), _is_absolute(row), 0
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
        announce_datapoints(row.dataset_id)
        preparing.start(row.dataset)


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
