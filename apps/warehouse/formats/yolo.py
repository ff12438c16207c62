"""YOLO as Ultralytics reads it: a text file an image, lines of class, center x, center y, width, height."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from apps.warehouse.formats import Class, Item
from apps.warehouse.formats.names import Names, split_of
from apps.warehouse.formats.zipstream import stream


def write(classes: Sequence[Class], items: Iterable[Item]) -> Iterator[bytes]:
    """`labels/<split>/<name>.txt` and `data.yaml`; put the images beside as `images/<split>/<name>`."""
    return stream(_files(classes, items))


def _files(classes: Sequence[Class], items: Iterable[Item]) -> Iterator[tuple[str, bytes]]:
    # YOLO counts its classes without gaps.
    numbers = {each.id: number for number, each in enumerate(classes)}
    names = Names()
    yield "data.yaml", _data(classes).encode()
    for item in items:
        lines = [_line(numbers[label["category"]], label["bbox"]) for label in item.labels]
        yield f"labels/{split_of(item.name)}/{names.stem(item)}.txt", "".join(lines).encode()


def _line(number: int, bbox: Sequence[float]) -> str:
    x, y, w, h = bbox
    return f"{number} {x + w / 2:.8g} {y + h / 2:.8g} {w:.8g} {h:.8g}\n"


def _data(classes: Sequence[Class]) -> str:
    names = "".join(f"  {number}: {json.dumps(each.name)}\n" for number, each in enumerate(classes))
    return f"path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n{names}"
