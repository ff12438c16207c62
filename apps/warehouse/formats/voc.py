"""Pascal VOC: an XML file an image, corners in pixels, with provenance as elements of our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from apps.warehouse.formats import Class, Item
from apps.warehouse.formats.names import Names, split_of
from apps.warehouse.formats.zipstream import stream

DIGITS = 4


def write(classes: Sequence[Class], items: Iterable[Item]) -> Iterator[bytes]:
    """`Annotations/<name>.xml`, and in `ImageSets/Main` which image belongs to which split."""
    return stream(_files({each.id: each.name for each in classes}, items))


def _files(name_of: Mapping[int, str], items: Iterable[Item]) -> Iterator[tuple[str, bytes]]:
    names = Names()
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for item in items:
        stem = names.stem(item)
        splits[split_of(item.name)].append(stem)
        yield f"Annotations/{stem}.xml", _xml(name_of, item).encode()
    for split, stems in splits.items():
        yield f"ImageSets/Main/{split}.txt", "".join(f"{stem}\n" for stem in stems).encode()


def _xml(name_of: Mapping[int, str], item: Item) -> str:
    size = f"<size><width>{item.width}</width><height>{item.height}</height><depth>3</depth></size>"
    boxes = "".join(_object(name_of, item, label) for label in item.labels)
    confidence = "" if item.confidence is None else f"<confidence>{item.confidence!r}</confidence>"
    origin = f"<source><annotation>{item.source}</annotation>{confidence}</source>"
    name = f"<filename>{escape(item.name)}</filename>"
    return f"<annotation>\n{name}\n{origin}\n{size}\n<segmented>0</segmented>\n{boxes}</annotation>\n"


def _object(name_of: Mapping[int, str], item: Item, label: Mapping[str, Any]) -> str:
    x, y, w, h = label["bbox"]
    corners = {
        "xmin": x * item.width,
        "ymin": y * item.height,
        "xmax": (x + w) * item.width,
        "ymax": (y + h) * item.height,
    }
    box = "".join(f"<{tag}>{_number(value)}</{tag}>" for tag, value in corners.items())
    score = "" if label.get("confidence") is None else f"<confidence>{label['confidence']!r}</confidence>"
    name = f"<name>{escape(name_of[label['category']])}</name>"
    flags = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    return f"<object>{name}{flags}<bndbox>{box}</bndbox><source>{label['source']}</source>{score}</object>\n"


def _number(value: float) -> str:
    """Whole pixels without a point: old readers of VOC know only those."""
    return f"{round(value, DIGITS):.{DIGITS}f}".rstrip("0").rstrip(".")
