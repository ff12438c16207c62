"""Lists a page at a time, by key: a page in the middle costs what the first one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query, Schema
from ninja.errors import HttpError
from pydantic import Field

Row = TypeVar("Row")


class Page(Schema, Generic[Row]):
    """`next` is the cursor of the page that follows, null on the last."""

    items: Sequence[Row]
    next: str | None = None


class Cursor(Schema):
    after: str | None = Field(None, description="The `next` of the page before.", max_length=20)
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


CursorQuery = Query[Cursor]


def page(rows: QuerySet[Any], cursor: Cursor, shape: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """The page of `rows` after the cursor, ordered by primary key."""
    if cursor.after is not None:
        if not cursor.after.isdecimal() or int(cursor.after) >= 2**63:
            raise HttpError(422, "The cursor is not one that this list gave out.")
        rows = rows.filter(pk__gt=int(cursor.after))
    found: list[Model] = list(rows.order_by("pk")[: cursor.limit + 1])
    more = len(found) > cursor.limit
    found = found[: cursor.limit]
    return {"items": [shape(row) if shape else row for row in found], "next": str(found[-1].pk) if more else None}
