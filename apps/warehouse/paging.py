"""Pages by key: page 10,000 costs what page 1 costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in the order of their keys; `previous` and `next` are query strings, empty at the ends."""

    rows: list[Row]
    previous: str
    next: str


def page(rows: QuerySet[Row, Any], request: HttpRequest, *, size: int, newest_first: bool = False) -> Page[Row]:
    """The page after or before the key that the query string names; other parameters are kept in the links."""
    after, before = _key(request, "after"), _key(request, "before")
    forward = before is None
    ascending = forward != newest_first
    key = after if forward else before
    if key is not None:
        rows = rows.filter(pk__gt=key) if ascending else rows.filter(pk__lt=key)
    found = list(rows.order_by("pk" if ascending else "-pk")[: size + 1])
    more = len(found) > size
    found = found[:size]
    if not forward:
        found.reverse()
    if not found:
        return Page([], _link(request), "") if key is not None else Page([], "", "")
    has_next = more if forward else True
    has_previous = after is not None if forward else more
    return Page(
        found,
        _link(request, before=found[0].pk) if has_previous else "",
        _link(request, after=found[-1].pk) if has_next else "",
    )


def _key(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) <= 18 else None


def _link(request: HttpRequest, **key: int) -> str:
    query: QueryDict = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    for name, value in key.items():
        query[name] = str(value)
    return f"?{query.urlencode()}"
