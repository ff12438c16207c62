"""Exports with images come as one archive: unpacked, it is a folder to work with."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from winnow.errors import WinnowError

FILES = "winnow-files.json"


def unpack(archive: Path, folder: Path, name: str, *, is_change: bool, format: str, split: str = "") -> Path:  # noqa: A002
    """Write what the archive holds into the folder; return its one file of labels, called `name`, or else the folder.

    A format of many files replaces what was exported before it: trainers read every label that lies in the folder.
    Changes in such a format get a folder of their own, `name`: their lists are only of what has changed.
    The one file comes last and whole, so it is never there without its images.
    """
    with zipfile.ZipFile(archive) as files:
        names = files.namelist()
        labels = next((each for each in names if each.startswith("labels.")), None)
        into = folder / name if is_change and labels is None else folder
        is_whole_folder = labels is None and not is_change
        with _replacing(folder, names, format, split) if is_whole_folder else nullcontext():
            # extractall keeps every file inside the folder, whatever it is called.
            files.extractall(into, members=[each for each in names if each != labels])
        if labels is None:
            return into
        part = folder / f".{name}.part"
        with files.open(labels) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
    os.replace(part, folder / name)
    return folder / name


@contextmanager
def _replacing(folder: Path, names: list[str], format: str, split: str) -> Iterator[None]:  # noqa: A002
    """Remove what earlier exports of this format have written and this one, done inside, has not.

    Other formats stay, and other splits: `train` and `val` may be exported one after the other into one folder.
    """
    lists = _read(folder / FILES)
    key = f"{format} {split}".strip()
    replaced = {format, key} if split else {each for each in lists if each.split(" ")[0] == format}
    others = {each: listed for each, listed in lists.items() if each not in replaced}
    earlier = {name for each in replaced for name in lists.get(each, [])}
    # Should this be interrupted, the next export knows what may be there.
    _write(folder / FILES, {**others, key: sorted(earlier.union(names))})
    yield
    _remove(folder, earlier.difference(names), names)
    _write(folder / FILES, {**others, key: names})


def _remove(folder: Path, old: Iterable[str], new: Iterable[str]) -> None:
    """The old files, as far as they lie in the folder: whoever could write its list could name any file."""
    root = folder.resolve()
    alike = {name.casefold(): folder / name for name in new}
    for name in old:
        file = folder / name
        parent = file.parent.resolve()
        if not (root == parent or root in parent.parents) or not file.is_file():
            continue
        twin = alike.get(name.casefold())
        # On a disk that ignores case, the old name leads to the new file.
        if twin is None or not twin.samefile(file):
            file.unlink()


def _read(file: Path) -> dict[str, list[str]]:
    """The files of earlier exports, by format and split."""
    if not file.exists():
        return {}
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))
        return {key: [str(name) for name in names] for key, names in lists.items()}
    except (ValueError, TypeError, AttributeError) as error:
        reason = "cannot be read: delete it, and what was exported before stays in the folder."
        raise WinnowError(f"{file} {reason}") from error


def _write(file: Path, lists: dict[str, list[str]]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(lists, indent=1), encoding="utf-8")
    os.replace(part, file)
