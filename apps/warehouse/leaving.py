"""What the warehouse gives back when an organization goes: every file that Winnow keeps for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apps.accounts.models import Organization
from apps.warehouse import intake
from apps.warehouse.models import Datapoint, Import

ROWS_AT_ONCE = 1000


def discard_files(*, organization: Organization, progress: Callable[..., None], **_: Any) -> None:
    """May be asked again after an interruption: a file that is gone already is no error."""
    rows = Datapoint.objects.filter(dataset__organization=organization).select_related("storage").order_by("pk")
    total, done = rows.count(), 0
    for chunk in _chunks(rows):
        for datapoint in chunk:
            intake.discard(datapoint)
        done += len(chunk)
        progress(done, total, "deleting stored images")
    for row in Import.objects.filter(dataset__organization=organization).iterator(ROWS_AT_ONCE):
        intake.discard_lists(row)


def _chunks(rows: Any) -> Iterator[list[Datapoint]]:
    after = 0
    while chunk := list(rows.filter(pk__gt=after)[:ROWS_AT_ONCE]):
        yield chunk
        after = chunk[-1].pk
