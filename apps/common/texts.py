"""Texts and numbers that the database can hold, and a way to show the texts that it cannot."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(value: Any) -> bool:
    """Whether the database can hold every text and number in `value`: JSON has no NaN and no Infinity."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if _UNSTORABLE.search(each):
                return False
        elif isinstance(each, float):
            if not isfinite(each):
                return False
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            waiting += each
    return True


def storable(text: str) -> str:
    """The text with a sign in place of what cannot be stored."""
    return _UNSTORABLE.sub("\ufffd", text)


def whole(text: str) -> int | None:
    """A whole number of up to 18 digits, which a key's column holds, as a form brings one; None for any other text."""
    return int(text) if text.isdecimal() and len(text) <= 18 else None
