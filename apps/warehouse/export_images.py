"""The images beside exported labels: fetched ahead, upright, one at a time into the archive."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

from apps.warehouse import pictures
from apps.warehouse.doors import Door, door
from apps.warehouse.formats import Item, Items, Problem
from apps.warehouse.formats.names import Names
from apps.warehouse.formats.zipstream import File
from apps.warehouse.models import StorageMethod
from apps.warehouse.pictures import BadPicture
from apps.warehouse.s3 import StorageError

# Fetched ahead, so that a distant storage keeps the stream busy; no more, since pictures may be large.
AHEAD = 4


def files(batches: Items, path_of: Callable[[Item, str], str], left_out: list[Problem]) -> Iterator[File]:
    """The archive's images; those that cannot be had are added to `left_out`."""
    names, doors = Names(), _Doors()
    waiting: deque[tuple[Item, str, Future[bytes]]] = deque()
    with ThreadPoolExecutor(AHEAD) as threads:
        for item in chain.from_iterable(batches):
            path = path_of(item, names.file(item))
            waiting.append((item, path, threads.submit(_upright, doors[item.storage_id], item.path)))
            if len(waiting) > AHEAD:
                yield from _arrived(*waiting.popleft(), left_out)
        while waiting:
            yield from _arrived(*waiting.popleft(), left_out)


class _Doors(dict[int, Door]):
    def __missing__(self, key: int) -> Door:
        self[key] = door(StorageMethod.objects.get(pk=key))
        return self[key]


def _arrived(item: Item, path: str, fetched: Future[bytes], left_out: list[Problem]) -> Iterator[File]:
    try:
        yield path, fetched.result()
    except (StorageError, BadPicture) as error:
        left_out.append(Problem(item.name, str(error)))


def _upright(way: Door, path: str) -> bytes:
    """In a thread: touches no database."""
    with way.open(path) as file:
        return pictures.upright(io.BytesIO(file.read()))
