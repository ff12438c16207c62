"""The items list: a JSON array of images, read as a stream in constant memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from apps.common.texts import is_storable, storable
from apps.warehouse import doors
from apps.warehouse.formats import FormatError
from apps.warehouse.formats.boxfile import Origin, origin_of

CHUNK = 1 << 20
ITEM_LIMIT = 16 << 20
NAME_LIMIT = 500
PATH_LIMIT = 1000
_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = frozenset(" \t\n\r,]")
_URL = re.compile(r"https?://[^/\s]+/?\S*\Z")


@dataclass(frozen=True, slots=True)
class Listed:
    """An item that can come in; `position` counts from 1."""

    position: int
    name: str
    path: str
    labels: list[Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    raw: Any = None
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class Bad:
    """An item that cannot, and why."""

    position: int
    name: str
    reason: str
    raw: Any = None


def elements(file: BinaryIO) -> Iterator[Any]:
    """The elements of a JSON array, one at a time; raises FormatError with the position where the text goes wrong."""
    text, at, offset, position, is_last = "", 0, 0, 0, False
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    scan = json.JSONDecoder().raw_decode
    state = "start"
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if at < len(text):
            sign = text[at]
            if state == "start":
                if sign != "[":
                    raise FormatError("An items list must be a JSON array: it does not begin with [.")
                state, at = "first", at + 1
                continue
            if state == "end":
                raise FormatError(f"There is more after the end of the list, at character {offset + at}.")
            if sign == "]" and state in {"first", "after"}:
                state, at = "end", at + 1
                continue
            if state == "after":
                if sign != ",":
                    raise FormatError(f"Item {position + 1}: a comma is missing before it, character {offset + at}.")
                state, at = "next", at + 1
                continue
            try:
                value, end = scan(text, at)
                # A number that ends where the text does may go on in what was not read yet.
                complete = is_last or text[end : end + 1] in _ENDS
            except ValueError as error:
                value, end, complete = None, at, False
                if is_last:
                    raise FormatError(
                        f"Item {position + 1} is not JSON, near character {offset + at}: {error}."
                    ) from error
            except RecursionError as error:
                raise FormatError(f"Item {position + 1} is nested too deeply.") from error
            if complete:
                position += 1
                yield value
                state, at = "after", end
                continue
            if len(text) - at > ITEM_LIMIT:
                raise FormatError(f"Item {position + 1} is not JSON, or longer than {ITEM_LIMIT >> 20} MB.")
        elif is_last:
            if state != "end":
                raise FormatError(f"The list breaks off after item {position}.")
            return
        try:
            chunk = file.read(CHUNK)
            more, is_last = decode(chunk, not chunk), not chunk
        except UnicodeDecodeError as error:
            raise FormatError(f"The list is not UTF-8 after item {position}.") from error
        offset += at
        text, at = text[at:] + more, 0


def read(file: BinaryIO, *, absolute: bool, skip: int = 0) -> Iterator[Listed | Bad]:
    """Every item, in either shape; `absolute`: paths must be URLs rather than keys. The first `skip` are left out."""
    for position, raw in enumerate(elements(file), 1):
        if position > skip:
            yield understand(raw, position, absolute=absolute)


def count(file: BinaryIO) -> int:
    """How many items there are; raises FormatError before anything was written if the text is broken anywhere."""
    return sum(1 for _ in elements(file))


def understand(raw: object, position: int, *, absolute: bool) -> Listed | Bad:
    """One element of a list."""
    if not isinstance(raw, dict):
        return Bad(position, f"item {position}", "It must be an object.", raw if is_storable(raw) else None)
    if not is_storable(raw):
        return Bad(
            position, _name_of(raw, position), "It has characters or numbers (NaN, Infinity) that cannot be stored."
        )
    path: Any = raw.get("url")
    if path is None:
        items = raw.get("items")
        if not isinstance(items, list) or len(items) != 1:
            return Bad(position, _name_of(raw, position), "It needs a url, or items with exactly one path.", raw)
        path = items[0]
    name = raw.get("name", path)
    reason = wrong_with(path, name, absolute)
    labels, meta = raw.get("labels"), raw.get("metaData", {})
    if not reason and labels is not None and not isinstance(labels, list):
        reason = "Its labels must be a list."
    if not reason and not isinstance(meta or {}, dict):
        reason = "Its metaData must be an object."
    priority = raw.get("priority")
    if not reason and priority is not None:
        if not isinstance(priority, int | float) or isinstance(priority, bool) or not 0 <= priority <= 1:
            reason = "Its priority must be a number from 0 to 1."
        else:
            meta = {**(meta or {}), "priority": priority}
    if reason:
        return Bad(position, _name_of(raw, position), reason, raw)
    path = path if absolute else path.lstrip("/")
    origin = origin_of(*map(raw.get, ("source", "confidence", "cycle", "createdBy")))
    return Listed(position, name, path, labels, meta or {}, raw, origin)


def _name_of(raw: dict[str, Any], position: int) -> str:
    name = raw.get("name") or raw.get("url") or f"item {position}"
    return storable(name[:NAME_LIMIT]) if isinstance(name, str) else f"item {position}"


def wrong_with(path: object, name: object, absolute: bool) -> str:
    """Why an image cannot come from this path under this name; empty where it can."""
    if not isinstance(path, str) or not path.strip("/ "):
        return "Its path must be a text."
    if not isinstance(name, str) or not name.strip():
        return "Its name must be a text."
    if len(name) > NAME_LIMIT or len(path) > PATH_LIMIT:
        return f"Its name or path is longer than {NAME_LIMIT} or {PATH_LIMIT} characters."
    if not name.isprintable() or not path.isprintable():
        return "Its name or path has characters that cannot be shown."
    if absolute and not (_URL.match(path) and doors.origin_of(path)):
        return "Its path must be an absolute http:// or https:// URL."
    if not absolute and "://" in path:
        return "Its path must be a key in the bucket, not a URL."
    return ""
