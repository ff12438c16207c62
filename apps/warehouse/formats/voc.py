"""Pascal VOC: an XML file an image, corners in pixels, with provenance as elements of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from apps.warehouse.formats import Content, Item, Label, batched, corners, texts
from apps.warehouse.formats.names import SPLITS, Names, split_of
from apps.warehouse.formats.zipstream import File


def files(content: Content) -> Iterator[File]:
    """`Annotations/<name>.xml`, and in `ImageSets/Main` which image belongs to which split."""
    name_of = {each.id: f"<name>{escape(each.name)}</name>" for each in content.classes}
    names = Names()
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for batch in content.labeled():
        places = _places(batch)
        for item in batch:
            stem = names.stem(item)
            splits[split_of(item.name)].append(stem)
            yield f"Annotations/{stem}.xml", _xml(name_of, item, places).encode()
    for split, stems in splits.items():
        yield f"ImageSets/Main/{split}.txt", "".join(f"{stem}\n" for stem in stems).encode()


def image_path(item: Item, file: str) -> str:
    return f"JPEGImages/{file}"


def _places(batch: Sequence[Item]) -> Iterator[str]:
    """Whole pixels come without a point: old readers of VOC know only those."""
    numbers = [each.removesuffix(".0") for each in texts(corners(batch))]
    for left, top, right, bottom in batched(numbers, 4):
        yield f"<bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>"


def _xml(name_of: Mapping[int, str], item: Item, places: Iterator[str]) -> str:
    objects = "".join([_object(name_of[label.category], label, next(places)) for label in item.labels])
    origin = f"<source><annotation>{item.source}</annotation>{_element('confidence', item.confidence)}"
    origin += f"{_element('cycle', item.cycle)}</source>"
    owner = f"<owner><name>{escape(item.author)}</name></owner>" if item.author else ""
    return (
        f"<annotation>\n<filename>{escape(item.name)}</filename>\n{origin}{owner}\n"
        f"<size><width>{item.width}</width><height>{item.height}</height><depth>3</depth></size>\n"
        f"<segmented>0</segmented>\n{objects}</annotation>\n"
    )


def _object(name: str, label: Label, place: str) -> str:
    return (
        f"<object>{name}<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>{place}"
        f"<source>{label.source}</source>{_element('confidence', label.confidence)}"
        f"{_attributes(label.attributes) if label.attributes else ''}</object>\n"
    )


def _element(tag: str, value: float | None) -> str:
    return "" if value is None else f"<{tag}>{value!r}</{tag}>"


def _attributes(attributes: Mapping[str, Any]) -> str:
    """As CVAT writes them, and whether the value is a text or a yes or no."""
    each = [
        f"<attribute><name>{escape(name)}</name>"
        + (
            f'<value type="boolean">{str(value).lower()}</value>'
            if isinstance(value, bool)
            else f"<value>{escape(value)}</value>"
        )
        + "</attribute>"
        for name, value in attributes.items()
    ]
    return f"<attributes>{''.join(each)}</attributes>"
