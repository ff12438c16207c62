"""The kinds of long jobs: each app registers its own when the apps are ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils.module_loading import import_string


@dataclass(frozen=True)
class Kind:
    """What a worker does for a run; the functions are dotted paths, imported by the worker that needs them."""

    name: str
    label: str
    queue: str
    job: str  # (Handle) -> result as a dict, or None
    shard_queue: str = ""  # the run's queue unless named
    shard_job: str = ""  # (ShardHandle) -> result as a dict, or None
    close_job: str = ""  # (Handle) -> result as a dict, or None; called once when no shard is left
    on_end: str = ""  # (Run) -> None, inside the transaction that ends the run, whichever way it ends
    on_retry: str = ""  # (Run) -> None, inside the transaction that queues it again
    can: Enum | None = None  # the right to see, cancel and retry it; None: whoever manages projects
    needed: Q | None = None  # which of its ended runs are never pruned, however old

    @property
    def functions(self) -> list[str]:
        return [path for path in (self.job, self.shard_job, self.close_job, self.on_end, self.on_retry) if path]

    def call(self, path: str, argument: Any) -> Any:
        function: Callable[[Any], Any] = import_string(path)
        return function(argument)


KINDS: dict[str, Kind] = {}


def register(
    *,
    kind: str,
    queue: str,
    job: str,
    label: str,
    shard_queue: str = "",
    shard_job: str = "",
    close_job: str = "",
    on_end: str = "",
    on_retry: str = "",
    can: Enum | None = None,
    needed: Q | None = None,
) -> None:
    """Make a kind known. Call it in `AppConfig.ready`."""
    new = Kind(kind, label, queue, job, shard_queue or queue, shard_job, close_job, on_end, on_retry, can, needed)
    if KINDS.setdefault(kind, new) != new:
        raise ImproperlyConfigured(f"Two apps register runs of kind {kind!r}.")
    for name in (new.queue, new.shard_queue):
        if name not in settings.QUEUES:
            raise ImproperlyConfigured(f"Runs of kind {kind!r} want the queue {name!r}, which is not in QUEUES.")


def label_of(kind: str) -> str:
    """The kind in words, also for rows whose kind is no longer registered."""
    return KINDS[kind].label if kind in KINDS else kind.replace("-", " ").capitalize()
