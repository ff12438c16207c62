"""Pascal VOC: an XML file an image, corners in pixels, with provenance as elements of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from apps.warehouse.formats import Content, FormatError, Item, Label, Problem, batched, corners, in_chunks, texts
from apps.warehouse.formats.boxfile import (
    Box,
    Origin,
    Picture,
    attributes_of,
    bbox_of,
    numbers,
    origin_of,
    share_of,
    source_of,
)
from apps.warehouse.formats.names import SPLITS, Names, split_of
from apps.warehouse.formats.zipstream import File

_OBJECT = re.compile(r"<object[\s>]")
# Neither can stand in an XML file: the parser refuses the ones and makes a line's end of the other.
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_DECLARED = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def files(content: Content) -> Iterator[File]:
    """`Annotations/<name>.xml`, and in `ImageSets/Main` which image belongs to which split."""
    name_of = {each.id: f"<name>{_text(each.name)}</name>" for each in content.classes}
    names = Names(content.renamed)
    with ExitStack() as opened:
        # On disk, since there may be millions of them.
        splits = {split: opened.enter_context(SpooledTemporaryFile(1 << 20)) for split in SPLITS}
        for batch in content.labeled():
            places = _places(batch)
            for item in batch:
                stem = names.stem(item)
                splits[split_of(item.name)].write(f"{stem}\n".encode())
                yield f"Annotations/{stem}.xml", _xml(name_of, item, places).encode()
        for split, stems in splits.items():
            stems.seek(0)
            yield f"ImageSets/Main/{split}.txt", in_chunks(stems)


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
    owner = f"<owner><name>{_text(item.author)}</name></owner>" if item.author else ""
    return (
        f"<annotation>\n<filename>{_text(item.name)}</filename>\n{origin}{owner}\n"
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
        f"<attribute><name>{_text(name)}</name>"
        + (
            f'<value type="boolean">{str(value).lower()}</value>'
            if isinstance(value, bool)
            else f"<value>{_text(value)}</value>"
        )
        + "</attribute>"
        for name, value in attributes.items()
    ]
    return f"<attributes>{''.join(each)}</attributes>"


def _text(value: str) -> str:
    return escape(_ILLEGAL.sub("", value), {"\r": "&#13;"})


def read(data: bytes, path: str) -> tuple[Picture, list[Problem]]:
    """What the file of one image says, and every object that is no box; raises FormatError if it is no such file."""
    text, root = _tree(data, path)
    width, height = (_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
    picture = Picture(path, *((width, height) if width and height else (0, 0)), origin=_origin(root), file=path)
    problems = []
    lines = list(_lines(text))
    for number, each in enumerate(root.findall("object")):
        where = f"Line {lines[number]}" if number < len(lines) else f"Object {number + 1}"
        found = _box(each, where)
        if isinstance(found, Box):
            picture.boxes.append(found)
        else:
            problems.append(Problem(path, f"{where}: {found}"))
    return picture, problems


def _tree(data: bytes, path: str) -> tuple[str, ElementTree.Element]:
    """Parsed as text, whatever encoding it claims, and only if it declares nothing: so no entity can grow."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8.") from error
    if _DECLARED.search(text):
        raise FormatError(f"{path} declares a document type: that is not read.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise FormatError(f"{path}, line {error.position[0]}: {error}.") from error
    if root.tag != "annotation":
        raise FormatError(f"{path} is not Pascal VOC: it begins with {root.tag[:40]}.")
    return text, root


def _lines(text: str) -> Iterator[int]:
    """In which line each object begins: the parser does not tell."""
    line, at = 1, 0
    for found in _OBJECT.finditer(text):
        line, at = line + text.count("\n", at, found.start()), found.start()
        yield line


def _origin(root: ElementTree.Element) -> Origin:
    share = numbers([root.findtext("source/confidence") or ""])
    cycle = _whole(root.findtext("source/cycle"), -1)
    return origin_of(
        root.findtext("source/annotation"),
        share[0] if share else None,
        None if cycle < 0 else cycle,
        root.findtext("owner/name"),
    )


def _whole(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and text.strip().isdecimal() and len(text) < 12 else otherwise


def _box(entry: ElementTree.Element, where: str) -> Box | str:
    """The box, or what is wrong with the object."""
    category = (entry.findtext("name") or "").strip()
    if not category:
        return "an object without a name."
    sides = ("xmin", "ymin", "xmax", "ymax")
    corners = bbox_of(numbers([entry.findtext(f"bndbox/{side}") or "" for side in sides]) or [])
    if corners is None:
        return f"an object of class {category} whose bndbox is not four finite numbers."
    left, top, right, bottom = corners
    share = numbers([entry.findtext("confidence") or ""])
    return Box(
        category,
        (left, top, right - left, bottom - top),
        share_of(share[0]) if share else None,
        source_of(entry.findtext("source")),
        attributes_of({each.findtext("name") or "": _value(each) for each in entry.iterfind("attributes/attribute")}),
        where=where,
    )


def _value(attribute: ElementTree.Element) -> str | bool:
    value = attribute.find("value")
    text = (value.text or "") if value is not None else ""
    return text == "true" if value is not None and value.get("type") == "boolean" else text
