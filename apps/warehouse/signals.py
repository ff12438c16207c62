"""News of the warehouse for the apps above it, sent after commit."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.dispatch import Signal

from apps.warehouse.models import Dataset

# dataset_id: there are datapoints in it that were not there before.
datapoints_added = Signal()


def announce_datapoints(dataset_id: int) -> None:
    """Tell whoever listens, once the transaction is committed."""
    send = partial(datapoints_added.send_robust, sender=Dataset, dataset_id=dataset_id)
    transaction.on_commit(send, robust=True)
