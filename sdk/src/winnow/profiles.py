"""Servers and keys that `winnow login` remembers, in one file that only its user can read."""

from __future__ import annotations

import configparser
import os
from pathlib import Path


def path() -> Path:
    return Path(os.environ.get("WINNOW_PROFILES", Path.home() / ".config" / "winnow" / "profiles.ini"))


def read(name: str) -> dict[str, str]:
    """The profile's url and api_key; empty when there is no such profile."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path(), encoding="utf-8")
    return dict(parser[name]) if parser.has_section(name) else {}


def write(name: str, url: str, api_key: str) -> Path:
    file = path()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(file, encoding="utf-8")
    parser[name] = {"url": url, "api_key": api_key}
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        parser.write(stream)
    return file
