"""RedBrick's JSON: an array of items with their labels in the exchange form; an items list reads it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apps.taxonomies.labels import to_exchange
from apps.warehouse.formats import Class, Item, in_chunks


def write(classes: Sequence[Class], items: Iterable[Item]) -> Iterator[bytes]:
    return in_chunks(_parts({each.id: list(each.path) for each in classes}, items))


def _parts(path_of: dict[int, list[str]], items: Iterable[Item]) -> Iterator[str]:
    yield "["
    comma = "\n"
    for item in items:
        yield comma + json.dumps(_entry(path_of, item))
        comma = ",\n"
    yield "\n]\n"


def _entry(path_of: dict[int, list[str]], item: Item) -> dict[str, Any]:
    entry = {
        "labels": [to_exchange(label, path_of.__getitem__) for label in item.labels],
        "items": [item.path],
        "name": item.name,
        "dpId": str(item.uid),
        "taskId": str(item.task_uid) if item.task_uid else None,
        "createdBy": item.author,
        "source": item.source,
        "confidence": item.confidence,
        "cycle": item.cycle,
    }
    return {key: value for key, value in entry.items() if value is not None}
