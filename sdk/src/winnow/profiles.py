"""Servers and keys that `winnow login` remembers, in one file that only its user can read."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from winnow.errors import WinnowError

DEFAULT = "default"


def path() -> Path:
    return Path(os.environ.get("WINNOW_PROFILES", Path.home() / ".config" / "winnow" / "profiles.ini"))


def read(name: str) -> dict[str, str]:
    """The profile's url and api_key; empty when there is no such profile."""
    parser = _parsed()
    return dict(parser[name]) if parser.has_section(name) else {}


def write(name: str, url: str, api_key: str) -> Path:
    file = path()
    parser = _parsed()
    parser[name] = {"url": url, "api_key": api_key}
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        parser.write(stream)
    return file


def _parsed() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise WinnowError(f"{path()} cannot be read: mend or delete it, then 'winnow login URL'. {error}") from error
    return parser
