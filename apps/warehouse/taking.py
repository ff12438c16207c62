"""Files into Winnow's own storage, in pieces that each commit with their place: a ZIP archive's, a server folder's."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db.models import F

from apps.common import runs
from apps.warehouse import archives, intake
from apps.warehouse.formats import FormatError
from apps.warehouse.items_list import Bad
from apps.warehouse.label_trees import FolderTree, Tree, ZipTree
from apps.warehouse.models import Datapoint, Import, ImportFailure
from apps.warehouse.pictures import BadPicture
from apps.warehouse.staging import TAKEN
from apps.warehouse.storages import local

FILES_AT_ONCE = 32
BYTES_AT_ONCE = 64 << 20
THREADS = min(4, os.cpu_count() or 1)
Named = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Found:
    """A file to take; `position` counts from 1, `read` gives its bytes or raises BadPicture."""

    position: int
    name: str
    size: int
    read: Callable[[], bytes]


@contextmanager
def tree_of(row: Import) -> Iterator[Tree | None]:
    """What the import takes its files from, if it takes files."""
    if row.source == "zip":
        with local(row.params["file"]) as file, archives.open_archive(file) as archive:
            yield ZipTree(archive)
    elif row.source == "folder":
        yield FolderTree(folder_of(row.params["root"], row.params["folder"]))
    else:
        yield None


def take(handle: runs.Handle, row: Import, tree: Tree, named: Named) -> None:
    """Every picture of an archive or a folder; `named` makes the name of the datapoint from its path."""
    if isinstance(tree, ZipTree):
        archive = tree.archive
        _take(handle, row, (_entry(archive, each, named) for each in archives.entries(archive)), "unpacking")
    elif isinstance(tree, FolderTree):
        names = sorted(picture_names(tree.root))
        found = (_file(tree.root, name, position, named) for position, name in enumerate(names, 1))
        _take(handle, row, found, "copying", total=len(names))


def _entry(archive: zipfile.ZipFile, entry: archives.Entry | Bad, named: Named) -> Found | Bad:
    if isinstance(entry, Bad):
        return entry
    return Found(entry.position, named(entry.name), entry.info.file_size, partial(archives.read, archive, entry))


def folder_of(root: str, path: str) -> Path:
    """The folder on this machine; raises FormatError for one that the server's operator has not opened."""
    if root not in settings.IMPORT_FOLDERS:
        raise FormatError("This server does not open that folder for imports.")
    top = Path(root).resolve()
    chosen = (top / path.strip().lstrip("/")).resolve()
    if not chosen.is_relative_to(top):
        raise FormatError("The path leads out of the folder.")
    if not chosen.is_dir():
        raise FormatError("There is no such folder on this machine.")
    return chosen


def picture_names(folder: Path) -> Iterator[str]:
    """Files whose names say that they are pictures; others are not ours to report."""
    for path in folder.rglob("*"):
        if path.suffix.lower() in archives.SUFFIXES and path.is_file():
            yield path.relative_to(folder).as_posix()


def _file(root: Path, name: str, position: int, named: Named) -> Found | Bad:
    path = root / name
    try:
        if not path.resolve().is_relative_to(root):
            return Bad(position, name, "The path leads out of the folder.")
        size = path.stat().st_size
        if size > settings.UPLOAD_LIMIT_BYTES:
            return Bad(position, name, f"It is larger than {settings.UPLOAD_LIMIT_BYTES // 2**20} MB.")
        return Found(position, named(intake.clean_name(name)), size, partial(_bytes, path))
    except (BadPicture, OSError) as error:
        return Bad(position, archives.shown(name), _reason(error))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(_reason(error)) from error


def _reason(error: Exception) -> str:
    return f"The file cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)


def _take(handle: runs.Handle, row: Import, found: Iterable[Found | Bad], phase: str, total: int = 0) -> None:
    """All that come after the place that was committed last."""
    todo = (each for each in found if each.position > int(row.cursor or 0))
    done = row.created + row.skipped + row.failed
    total = total or int(handle.params.get("total", 0))
    with ThreadPoolExecutor(THREADS) as threads:
        for chunk in _pieces(todo):
            _store_chunk(handle, row, chunk, threads)
            done += len(chunk)
            handle.progress(done, total, phase)


def _pieces(found: Iterable[Found | Bad]) -> Iterator[list[Found | Bad]]:
    """As many as are worth a transaction, and no more than fit into memory."""
    piece: list[Found | Bad] = []
    size = 0
    for each in found:
        weight = each.size if isinstance(each, Found) else 0
        if piece and (len(piece) >= FILES_AT_ONCE or size + weight > BYTES_AT_ONCE):
            yield piece
            piece, size = [], 0
        piece.append(each)
        size += weight
    if piece:
        yield piece


def _store_chunk(handle: runs.Handle, row: Import, chunk: Sequence[Found | Bad], threads: ThreadPoolExecutor) -> None:
    known = _known(row, [each.name for each in chunk])
    taken = set(known)
    skipped = [each for each in chunk if isinstance(each, Found) and known.get(each.name)]
    # One reader at a time: an archive has one place in its file.
    read = [(each, _read(each, taken)) for each in chunk if each not in skipped]
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
            cursor=str(chunk[-1].position),
            created=F("created") + len(saved),
            skipped=F("skipped") + len(skipped),
            failed=F("failed") + len(bad),
        )
    for each in lost:
        intake.discard(each)


def _known(row: Import, names: Sequence[str]) -> dict[str, bool]:
    """Which of the names the dataset has, and whether by an earlier import of the same folder."""
    same = {"root": row.params.get("root"), "folder": row.params.get("folder")}
    rows = row.dataset.datapoints.filter(name__in=names).values_list("name", "import_row__source", "import_row__params")
    return {
        name: row.source == source == "folder" and same == {key: params.get(key) for key in same}
        for name, source, params in rows
    }


def _read(found: Found | Bad, taken: set[str]) -> bytes | Bad:
    if isinstance(found, Bad):
        return found
    if found.name in taken:
        return Bad(found.position, found.name, TAKEN)
    taken.add(found.name)
    try:
        return found.read()
    except BadPicture as error:
        return Bad(found.position, found.name, str(error))


def _store(row: Import, given: tuple[Found | Bad, bytes | Bad]) -> Datapoint | Bad:
    """In a thread: touches no database."""
    found, data = given
    if isinstance(data, Bad):
        return data
    assert row.storage is not None  # noqa: S101
    try:
        return intake.store_upload(row.dataset, row.storage, found.name, io.BytesIO(data), row)
    except BadPicture as error:
        return Bad(found.position, found.name, str(error))
