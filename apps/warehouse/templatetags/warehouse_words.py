"""Names of images where there is little room: {% load warehouse_words %}."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def tail(name: str, letters: int) -> str:
    """The end of a name, which is what tells frames of one folder apart."""
    return name if len(name) <= letters else f"…{name[1 - letters :]}"
