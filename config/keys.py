"""The two secrets that `manage.py up` makes once under var/, for its owner's eyes alone."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

MAKERS: dict[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(48),
    "field_encryption_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
}


def make_keys(var: Path) -> None:
    """Each missing key, written whole before it gets its name; an existing one is never touched."""
    for name, make in MAKERS.items():
        if not (var / name).exists():
            write_private(var / name, make())


def write_private(path: Path, text: str) -> None:
    """A file that only its owner may read, never seen half-written."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
