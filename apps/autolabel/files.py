"""The learner's files: on this disk, and in the bucket when there is one, so that any worker finds them."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)


class Missing(Exception):
    """A file that is neither here nor in the bucket."""


def keep(local: Path, name: str) -> None:
    """Make the file at `local` known as `name` to every worker."""
    target: Path = settings.MODELS_ROOT / name
    with local.open("rb") as stream, _whole(target) as copy:
        shutil.copyfileobj(stream, copy)
    if settings.S3_BUCKET:
        with target.open("rb") as stream:
            default_storage.save(_key(name), File(stream))


def path_of(name: str) -> Path:
    """The file on this disk, fetched from the bucket when another machine made it."""
    target: Path = settings.MODELS_ROOT / name
    if target.is_file():
        return target
    if not settings.S3_BUCKET or not default_storage.exists(_key(name)):
        raise Missing(f"The model file {name} is gone: keep MODELS_ROOT, or share it through a bucket.")
    with default_storage.open(_key(name), "rb") as stream, _whole(target) as copy:
        shutil.copyfileobj(stream, copy)
    return target


def drop(name: str) -> None:
    """Forget the file here and in the bucket; nothing happens if it is gone."""
    if not name:
        return
    (settings.MODELS_ROOT / name).unlink(missing_ok=True)
    if settings.S3_BUCKET:
        default_storage.delete(_key(name))


def try_to_drop(name: str) -> bool:
    """Whether the file could be forgotten. One that stays takes room; it need not stop who wants it gone."""
    try:
        drop(name)
    except (OSError, BotoCoreError, ClientError):
        logger.exception("The model file %s could not be deleted.", name)
        return False
    return True


@contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all: another worker may be about to read it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as copy:
        try:
            yield copy
            copy.flush()
            os.replace(copy.name, target)
        finally:
            # Nothing of that name is left once it was put in its place.
            Path(copy.name).unlink(missing_ok=True)


def _key(name: str) -> str:
    return f"models/{name}"
