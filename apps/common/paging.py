"""Lists a page at a time, by key: a page in the middle costs what the first one does."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class KeyPage(Generic[Row]):
    """Rows, and the cursors of the pages beside them; empty where there is none."""

    rows: list[Row]
    previous: str
    next: str

    def links(self, request: HttpRequest, prefix: str = "") -> dict[str, str]:
        """Query strings for includes/pager.html, with the request's filters kept; a page's second list has a prefix."""
        return {
            "previous": _query(request, prefix, "before", self.previous),
            "next": _query(request, prefix, "after", self.next),
        }


def page_by_key(
    queryset: QuerySet[Row], order: tuple[str, ...], after: str = "", size: int = 50, before: str = ""
) -> KeyPage[Row]:
    """The page after or before a cursor, in an order like ("-created_at", "-id") that ends in a unique column.

    The columns must not be NULL and should have an index in that order; a leading minus means descending, and a
    column of a related row is named as in a filter. An unknown cursor is a 404.
    """
    backwards = bool(before)
    directed = tuple(_reverse(name) for name in order) if backwards else order
    rows = queryset.order_by(*directed)
    if cursor := before or after:
        rows = rows.filter(_beyond(directed, _values(queryset, order, cursor)))
    found = list(rows[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    earlier = more if backwards else bool(after)
    later = bool(before) if backwards else more
    return KeyPage(
        rows=found,
        previous=_cursor(found[0], order) if found and earlier else "",
        next=_cursor(found[-1], order) if found and later else "",
    )


def _reverse(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _beyond(order: tuple[str, ...], values: list[Any]) -> Q:
    """(a, b) > (x, y), column by column; the first column's bound alone lets the index be used."""
    first = order[0].removeprefix("-")
    bound = Q(**{f"{first}__{'lte' if order[0].startswith('-') else 'gte'}": values[0]})
    any_of = Q()
    equal = Q()
    for name, value in zip(order, values, strict=True):
        column = name.removeprefix("-")
        any_of |= equal & Q(**{f"{column}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{column: value})
    return bound & any_of


def _cursor(row: Model, order: tuple[str, ...]) -> str:
    values = [_read(row, name.removeprefix("-")) for name in order]
    text = json.dumps(values, cls=DjangoExactEncoder)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class DjangoExactEncoder(DjangoJSONEncoder):
    """Keeps the microseconds, which Django's own encoder cuts to milliseconds."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def _read(row: Any, name: str) -> Any:
    if hasattr(row, name):
        return getattr(row, name)
    for part in name.split("__"):
        row = getattr(row, part)
    return row


def _values(queryset: QuerySet[Any], order: tuple[str, ...], cursor: str) -> list[Any]:
    try:
        raw = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(raw, list) or len(raw) != len(order) or None in raw:
            raise ValueError(raw)
        fields = [_field(queryset, name.removeprefix("-")) for name in order]
        return [field.to_python(value) for field, value in zip(fields, raw, strict=True)]
    except (ValueError, OverflowError, binascii.Error, ValidationError, TypeError) as error:
        raise Http404("There is no such page of this list.") from error


def _field(queryset: QuerySet[Any], name: str) -> Any:
    annotation = queryset.query.annotations.get(name)
    if annotation is not None:
        return annotation.output_field
    model: Any = queryset.model
    field: Any = None
    for part in name.split("__"):
        field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        model = field.related_model
    if field is None:
        raise FieldDoesNotExist(name)
    return field


def _query(request: HttpRequest, prefix: str, key: str, cursor: str) -> str:
    if not cursor:
        return ""
    query = request.GET.copy()
    for other in ("after", "before"):
        query.pop(prefix + other, None)
    query[prefix + key] = cursor
    return "?" + query.urlencode()
