"""News of the warehouse for the apps above it, sent after commit."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.dispatch import Signal

from apps.warehouse.models import Dataset

# dataset_id: there are datapoints in it that were not there before, or could not be read;
# import_id: the import they came by, if any. They need not be the newest.
datapoints_added = Signal()


def announce_datapoints(dataset_id: int, import_id: int | None = None) -> None:
    """Tell whoever listens, once the transaction is committed."""
    send = partial(datapoints_added.send_robust, sender=Dataset, dataset_id=dataset_id, import_id=import_id)
    transaction.on_commit(send, robust=True)
