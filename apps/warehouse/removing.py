"""Datapoints go in pieces, with their files, unless something uses them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import ACTIVE, Run
from apps.warehouse import intake
from apps.warehouse.models import Datapoint, DatapointQuerySet, Dataset, Import, LabelsetEntry

KIND = "delete-dataset"
ROWS_AT_ONCE = 1000


def undo_import(handle: runs.Handle) -> dict[str, Any]:
    """What a worker does to undo an import. Labels that came with it go with it; used datapoints stay."""
    row = Import.objects.select_related("dataset").get(pk=handle.run.target or 0)
    others = Q(datapoint=OuterRef("pk")) & ~Q(task_uid=None, labelset=row.labelset_id)
    free = row.datapoints.filter(~Exists(LabelsetEntry.objects.filter(others)), tasks=None)
    removed = _remove(handle, free, handle.run.total)
    kept = row.datapoints.count()
    with handle.guard():
        Import.objects.filter(pk=row.pk).update(undone_at=timezone.now())
    intake.discard_lists(row)
    return {"removed": removed, "kept": kept}


def _remove(handle: runs.Handle, rows: DatapointQuerySet, total: int) -> int:
    removed = 0
    while chunk := list(rows.select_related("storage").order_by("pk")[:ROWS_AT_ONCE]):
        keys = [each.pk for each in chunk]
        with handle.guard():
            LabelsetEntry.objects.filter(datapoint__in=keys, task_uid=None).delete()
            Datapoint.objects.filter(pk__in=keys).delete()
        for each in chunk:
            intake.discard(each)
        removed += len(chunk)
        handle.progress(removed, total, "removing")
    return removed


def entails(dataset: Dataset) -> dict[str, Any]:
    """What deleting the dataset would take with it, and what stands in its way."""
    points = dataset.datapoints
    entries = LabelsetEntry.objects.filter(datapoint__dataset=dataset)
    return {
        "datapoints": points.count(),
        "projects": sorted(set(dataset.stages.values_list("project__name", flat=True))),
        "labelsets": sorted(set(entries.order_by().values_list("labelset__name", flat=True).distinct())),
    }


def deletion_of(dataset: Dataset) -> Run | None:
    """The run that is deleting it, if one is."""
    return Run.objects.filter(kind=KIND, target=dataset.pk, status__in=ACTIVE).first()


def being_deleted() -> Exists:
    """For a queryset of datasets: whether a run is deleting each."""
    return Exists(Run.objects.filter(kind=KIND, target=OuterRef("pk"), status__in=ACTIVE))


def require_kept(datasets: Iterable[int]) -> None:
    """Nothing new begins with a dataset that is being deleted, and no deletion before the caller's transaction ends."""
    rows = Dataset.objects.select_for_update(of=("self",), no_key=True).annotate(leaving=being_deleted())
    for row in rows.filter(pk__in=list(datasets)).order_by("pk"):
        if row.leaving:
            raise Conflict(f"The dataset {row.name} is being deleted.")


def delete_dataset(*, dataset: Dataset, by: User | None) -> None:
    """Delete it in a run; refused while a project or a labelset holds on to its images."""
    with transaction.atomic():
        require_kept([dataset.pk])
        found = entails(dataset)
        for key, what in [("projects", "used by the project"), ("labelsets", "labeled in the labelset")]:
            if found[key]:
                raise Conflict(f"The dataset is kept: its images are {what} {', '.join(found[key])}.")
        run = runs.create(
            organization=dataset.organization,
            kind=KIND,
            target=dataset.pk,
            total=found["datapoints"],
            requested_by=by,
        )
        audit.record(dataset.organization_id, by, "deleted dataset", dataset.name, datapoints=found["datapoints"])
        runs.enqueue(run)


def perform_delete(handle: runs.Handle) -> dict[str, Any]:
    dataset = Dataset.objects.filter(pk=handle.run.target or 0).first()
    if dataset is None:
        return {"removed": 0}
    free = Datapoint.objects.filter(dataset=dataset, tasks=None, entries=None)
    removed = _remove(handle, free, handle.run.total)
    if kept := dataset.datapoints.count():
        raise runs.Failure(f"{kept} datapoints are in use by now: the dataset is kept with them.")
    with handle.guard():
        dataset.delete()
    return {"removed": removed}
