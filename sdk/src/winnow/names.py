"""File names for what the server calls as it likes: safe on every disk."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^\w.\-]+")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")
LIMIT = 150


def safe_name(name: str, limit: int = LIMIT) -> str:
    """A file name that no file system refuses and that cannot leave its folder."""
    flat = _UNSAFE.sub("_", name.replace("/", "_")).lstrip(".").rstrip(". ") or "_"
    if _RESERVED.match(flat):
        flat = f"_{flat}"
    stem, dot, suffix = flat.rpartition(".")
    if not dot or len(suffix) > 8:
        return _cut(flat, limit)
    return f"{_cut(stem, limit - len(suffix.encode()) - 1)}.{suffix}"


def _cut(text: str, limit: int) -> str:
    """At most so many bytes, as file systems count, without breaking a character."""
    return text.encode()[:limit].decode(errors="ignore")
