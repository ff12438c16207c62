"""Exports with images come as one archive: unpacked, it is a folder to work with."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path


def unpack(archive: Path, folder: Path, name: str, *, is_change: bool) -> Path:
    """Write what the archive holds into the folder; return its one file of labels, called `name`, or else the folder.

    Changes in a format of many files get a folder of their own, `name`: their lists are only of what has changed.
    The one file comes last and whole, so it is never there without its images.
    """
    with zipfile.ZipFile(archive) as files:
        labels = next((each for each in files.namelist() if each.startswith("labels.")), None)
        into = folder / name if is_change and labels is None else folder
        # extractall keeps every file inside the folder, whatever it is called.
        files.extractall(into, members=[each for each in files.namelist() if each != labels])
        if labels is None:
            return into
        part = folder / f".{name}.part"
        with files.open(labels) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
    os.replace(part, folder / name)
    return folder / name
