"""YOLO as Ultralytics reads it: a text file an image, lines of class, center x, center y, width, height."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from apps.warehouse.formats import Class, Content, Item, Numbers, batched, edges, texts
from apps.warehouse.formats.names import Names, split_of
from apps.warehouse.formats.zipstream import File

# Edges on a grid of 1e-8 of the image, so centers fall on half of it: read back, they give the same edges.
_GRID = 1e8


def files(content: Content) -> Iterator[File]:
    """`data.yaml` and `labels/<split>/<name>.txt`; the images belong beside as `images/<split>/<name>`."""
    yield "data.yaml", _data(content.classes).encode()
    # YOLO counts its classes without gaps.
    numbers = {each.id: str(number) for number, each in enumerate(content.classes)}
    names = Names()
    for batch in content.labeled():
        places = map(" ".join, batched(texts(_centers(batch)), 4))
        for item in batch:
            lines = [f"{numbers[label.category]} {next(places)}\n" for label in item.labels]
            yield f"labels/{split_of(item.name)}/{names.stem(item)}.txt", "".join(lines).encode()


def image_path(item: Item, file: str) -> str:
    return f"images/{split_of(item.name)}/{file}"


def _centers(batch: Sequence[Item]) -> Numbers:
    """Center x, center y, width and height of every box, as shares of the image: (boxes, 4)."""
    found = (edges(batch) * _GRID).round()
    first, last = found[:, :2], found[:, 2:]
    return np.hstack([(first + last) / (2 * _GRID), (last - first) / _GRID])


def _data(classes: Sequence[Class]) -> str:
    names = "".join(f"  {number}: {json.dumps(each.name)}\n" for number, each in enumerate(classes))
    return f"path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n{names}"
