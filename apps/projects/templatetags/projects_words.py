"""Filters of the projects' templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def at(mapping: Mapping[str, Any], key: str) -> Any:
    """The value of a key that is itself a variable."""
    return mapping.get(key, ())


@register.filter
def unlocalized(value: Any) -> str:
    """A number as an input field reads it, whatever the language."""
    return "" if value is None else str(value)
