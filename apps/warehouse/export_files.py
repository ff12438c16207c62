"""Exports as files: made by a run, kept for a day, downloaded in pieces that a broken connection can go on from."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.warehouse import changes, exports
from apps.warehouse.models import Labelset
from apps.warehouse.storages import open_own, own_url

KIND = "export"
KEPT = timedelta(days=1)
PIECE = 1 << 18
HAS_FILE = Q(status=RunStatus.DONE) & ~Q(result__has_key="forgotten")


@dataclass(frozen=True, slots=True)
class Piece:
    """A file from a place on: `size` is the whole file's."""

    content: Iterator[bytes]
    begin: int
    size: int


def start(*, labelset: Labelset, format: str, options: exports.Options, by: User | None) -> Run:  # noqa: A002
    """The run that writes the file; raises ValidationError for a cursor that says nothing here."""
    if options.since:
        changes.since(options.since, changes.now(labelset))
    params = {"format": format, "options": asdict(options)}
    run = runs.create(organization=labelset.organization, kind=KIND, target=labelset.pk, params=params, requested_by=by)
    runs.enqueue(run)
    return run


def perform(handle: runs.Handle) -> dict[str, Any]:
    """What a worker does: the export as the page sends it, into a file of this disk, then into the storage."""
    labelset = Labelset.objects.select_related("organization", "taxonomy").get(pk=handle.run.target or 0)
    options = exports.Options(**handle.params["options"])
    chosen = exports.FORMATS[handle.params["format"]]
    export = exports.begin(chosen, labelset, options, by=handle.run.requested_by)
    with tempfile.TemporaryFile() as file:
        _write(handle, export.content, file)
        size = file.seek(0, 2)
        file.seek(0)
        path = default_storage.save(f"exports/{handle.run.uid}.{export.suffix}", File(file))
    return {
        "path": path,
        "bytes": size,
        "media_type": export.media_type,
        "name": f"{file_name(labelset)}.{export.suffix}",
        "cursor": export.cursor,
    }


def _write(handle: runs.Handle, content: Iterator[bytes], file: Any) -> None:
    """The export reads one moment in a transaction that cannot write, so progress is told beside it."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        written: Future[None] = threads.submit(_copy, content, file, stop)
        while True:
            try:
                return written.result(timeout=1)
            except NotYet:
                try:
                    handle.progress(file.tell(), 0, "writing")
                except runs.Stopped:
                    stop.set()
                    raise


def _copy(content: Iterator[bytes], file: Any, stop: threading.Event) -> None:
    try:
        for chunk in content:
            if stop.is_set():
                return
            file.write(chunk)
    finally:
        connection.close()


def url_of(run: Run) -> str | None:
    """Where the storage itself hands the file out, in pieces too; None where it must come through us."""
    return own_url(_done(run)["path"])


def read(run: Run, begin: int = 0) -> Piece:
    """The file from a byte on; raises StorageError when its day is over."""
    result = _done(run)
    file = open_own(result["path"])
    file.seek(begin)
    return Piece(_pieces(file), begin, int(result["bytes"]))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _done(run: Run) -> dict[str, Any]:
    if run.status != RunStatus.DONE:
        raise Conflict(f"The export is {run.get_status_display().lower()}: there is no file.")
    result: dict[str, Any] = run.result
    if result.get("forgotten"):
        raise Conflict("The file of this export is no longer kept: export again.")
    return result


def forget_old() -> None:
    """Delete files that were made more than a day ago."""
    old = Run.objects.filter(HAS_FILE, kind=KIND, ended_at__lt=timezone.now() - KEPT)
    for run in old[:100]:
        default_storage.delete(run.result["path"])
        Run.objects.filter(pk=run.pk).update(result=run.result | {"forgotten": True})


def file_name(labelset: Labelset) -> str:
    """The labelset's name as a file can bear it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", labelset.name).strip("-.") or "labelset"
