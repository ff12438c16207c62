"""The pages of the warehouse, one module a subject."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.common.http import HtmxRequest
from apps.common.paging import page_by_key


def listing(request: HtmxRequest, rows: QuerySet[Any, Any], *, size: int, order: str = "pk") -> dict[str, Any]:
    """A page of a list, as the templates want it."""
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    page = page_by_key(rows, (order,), after=after, before=before, size=size)
    return {"page": page, "links": page.links(request)}
