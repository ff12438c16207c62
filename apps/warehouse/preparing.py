"""Sizes and previews of images that came in by name alone: in sharded jobs, and at once for what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction

from apps.common import runs
from apps.common.models import Run, RunStatus
from apps.warehouse import intake, pictures
from apps.warehouse.doors import Door, door
from apps.warehouse.models import Datapoint, Dataset
from apps.warehouse.pictures import BadPicture
from apps.warehouse.s3 import StorageError, TooLong

KIND = "prepare"
IMAGES_A_SHARD = 500
IMAGES_A_WRITE = 25
THREADS = 8
# What a request fetches to show a preview of it.
QUICK_BYTES = 32 << 20
_FIELDS = ["width", "height", "bytes", "thumbnail", "rendition", "error"]
# The first of every so many that are not prepared yet.
_BOUNDS = """
SELECT id FROM (
  SELECT id, row_number() OVER (ORDER BY id) AS nth FROM warehouse_datapoint
  WHERE dataset_id = %s AND width IS NULL AND error = '') AS numbered
WHERE nth %% %s = 1 ORDER BY id
"""


def start(dataset: Dataset) -> None:
    """Prepare what is not, if anything; a run that has not begun yet will find it."""
    if unprepared(dataset).exists() and not _runs(dataset, RunStatus.QUEUED):
        with transaction.atomic():
            runs.enqueue(runs.create(organization=dataset.organization, kind=KIND, target=dataset.pk))


def _runs(dataset: Dataset, *states: RunStatus) -> bool:
    return bool(Run.objects.filter(kind=KIND, target=dataset.pk, status__in=states).exists())


def unprepared(dataset: Dataset | int) -> Any:
    return Datapoint.objects.filter(dataset=dataset, width=None, error="")


def open_shards(handle: runs.Handle) -> None:
    """What a worker does first: cuts the work into ranges of keys."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS, [handle.run.target, IMAGES_A_SHARD])
        firsts = [key for (key,) in cursor.fetchall()]
    ends = [*firsts[1:], None]
    parts = [
        runs.Part({"first": first, "before": before}, IMAGES_A_SHARD)
        for first, before in zip(firsts, ends, strict=True)
    ]
    handle.open_shards(parts, phase="reading images")


def prepare_shard(handle: runs.ShardHandle) -> dict[str, Any]:
    first, before = handle.params["first"], handle.params["before"]
    mine = unprepared(handle.run.target or 0).filter(pk__gte=first).select_related("storage")
    rows: list[Datapoint] = list(mine.filter(pk__lt=before) if before else mine[:IMAGES_A_SHARD])
    doors = {row.storage_id: door(row.storage) for row in rows}
    done = 0
    with ThreadPoolExecutor(THREADS) as threads:
        for at in range(0, len(rows), IMAGES_A_WRITE):
            chunk = rows[at : at + IMAGES_A_WRITE]
            list(threads.map(lambda row: prepare(row, doors[row.storage_id]), chunk))
            with handle.guard():
                Datapoint.objects.bulk_update(chunk, _FIELDS)
            done += len(chunk)
            handle.progress(done)
    return {"prepared": done}


def prepare(row: Datapoint, way: Door, *, quickly: bool = False) -> None:
    """Fill in size and previews, or the error; what takes long stays as it is if `quickly`.

    Touches no database: it runs in threads.
    """
    try:
        with way.open(row.path, most=QUICK_BYTES if quickly else None) as file:
            header = pictures.probe(file)
            if quickly and header.pixels > pictures.QUICK_PIXELS:
                return
            intake.make_small(row, header, file)
            intake.apply_header(row, header, file)
    except TooLong:
        return
    except (StorageError, BadPicture) as error:
        row.error = str(error)[:300]


def prepare_now(row: Datapoint) -> None:
    """The same for one image that a page wants to show, if it is small enough for a request; else a job does it."""
    prepare(row, door(row.storage), quickly=True)
    if row.thumbnail or row.error:
        row.save(update_fields=_FIELDS)
    elif not _runs(row.dataset, RunStatus.QUEUED, RunStatus.RUNNING):
        start(row.dataset)


def prepare_few(rows: Sequence[Datapoint]) -> None:
    """The same for some that are needed at once."""
    doors = {row.storage_id: door(row.storage) for row in rows}
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda row: prepare(row, doors[row.storage_id]), rows))
    Datapoint.objects.bulk_update(rows, _FIELDS)


def close(handle: runs.Handle) -> dict[str, Any]:
    failed = Datapoint.objects.filter(dataset=handle.run.target).exclude(error="").count()
    return {"failed": failed}
