"""RedBrick's JSON: an array of items with their labels in the exchange form; an items list reads it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from apps.warehouse.formats import Content, Item, Label, in_chunks


class _Box(msgspec.Struct, gc=False):
    xnorm: float
    ynorm: float
    wnorm: float
    hnorm: float


class _Label(msgspec.Struct, gc=False):
    """What `taxonomies.labels.to_exchange` makes of a label."""

    labelid: str
    category: list[list[str]]
    attributes: list[dict[str, Any]]
    bbox2d: _Box
    source: str
    confidence: float | msgspec.UnsetType = msgspec.UNSET


class _Entry(msgspec.Struct, omit_defaults=True):
    labels: list[_Label]
    items: list[str]
    name: str
    dpId: str
    source: str
    taskId: str | None = None
    createdBy: str | None = None
    confidence: float | None = None
    cycle: int | None = None


class _Deleted(msgspec.Struct):
    name: str
    dpId: str
    deleted: bool = True


def write(content: Content) -> Iterator[bytes]:
    return in_chunks(_parts(content))


def _parts(content: Content) -> Iterator[bytes]:
    path_of = {each.id: [list(each.path)] for each in content.classes}
    yield b"["
    comma = b"\n"
    for entry in _entries(path_of, content):
        yield comma + msgspec.json.encode(entry)
        comma = b",\n"
    yield b"\n]\n"


def _entries(path_of: Mapping[int, list[list[str]]], content: Content) -> Iterable[_Entry | _Deleted]:
    for batch in content.labeled():
        for item in batch:
            yield _entry(path_of, item)
    for gone in content.gone():
        yield _Deleted(gone.name, gone.uid)


def _entry(path_of: Mapping[int, list[list[str]]], item: Item) -> _Entry:
    labels = [_label(path_of[label.category], label) for label in item.labels]
    return _Entry(
        labels, [item.path], item.name, item.uid, item.source,
        item.task_uid, item.author, item.confidence, item.cycle,
    )  # fmt: skip


def _label(path: list[list[str]], label: Label) -> _Label:
    attributes = [{"name": name, "value": value} for name, value in (label.attributes or {}).items()]
    confidence = msgspec.UNSET if label.confidence is None else label.confidence
    return _Label(label.id, path, attributes, _Box(*label.bbox), label.source, confidence)
