"""Label files in an archive or a folder: which they are, and what the images beside them are called.

The layouts are those that our own exports write, and those in which other tools hand the same formats out.
"""

from __future__ import annotations

import json
import os.path
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from apps.warehouse import archives
from apps.warehouse.formats import FormatError, Problem
from apps.warehouse.formats.names import ABOUT

NOTHING = "There are no labels in it that Winnow reads: COCO, YOLO, Pascal VOC, CSV or RedBrick's JSON."
ABOUT_LIMIT = 256 << 20
TABLES_LIMIT = 20
_SPLIT = r"(?:train|valid|val|test)\d*/"
_CLASSES = frozenset({"classes.txt", "obj.names"})
_USUAL = _CLASSES | {"data.yaml", "dataset.yaml"}
_OTHER_TEXTS = frozenset({"train.txt", "valid.txt", "val.txt", "test.txt", "readme.txt", "license.txt"})


class Tree(Protocol):
    """Files by their paths, whether in an archive or in a folder."""

    @property
    def names(self) -> Sequence[str]: ...

    def read(self, name: str, most: int) -> bytes:
        """Its bytes; raises FormatError for one that cannot be read or has more than `most`."""
        ...


class ZipTree:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    @cached_property
    def _infos(self) -> Mapping[str, zipfile.ZipInfo]:
        every = ((info.filename.replace("\\", "/"), info) for info in self.archive.infolist())
        return {name: info for name, info in every if name and name[-1] != "/" and "__MACOSX/" not in name}

    @cached_property
    def names(self) -> Sequence[str]:
        return list(self._infos)

    def read(self, name: str, most: int) -> bytes:
        info = self._infos[name]
        if info.file_size > most:
            raise FormatError(f"{name} is larger than {most / 2**20:g} MB.")
        if info.file_size > archives.RATIO_LIMIT * max(info.compress_size, 1) and info.file_size > 2**20:
            raise FormatError(f"{name} unpacks to far more than labels do.")
        try:
            return archives.unpacked(self.archive, info)
        except archives.Damaged as error:
            raise FormatError(f"{name}: {error}") from error


class FolderTree:
    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @cached_property
    def names(self) -> Sequence[str]:
        files = (path for path in self.root.rglob("*") if path.is_file() and self._is_inside(path))
        return sorted(path.relative_to(self.root).as_posix() for path in files)

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root)

    def read(self, name: str, most: int) -> bytes:
        path = self.root / name
        try:
            with path.open("rb") as file:
                data = file.read(most + 1)
        except OSError as error:
            raise FormatError(f"{name} cannot be read: {error.strerror}.") from error
        if len(data) > most or not self._is_inside(path):
            raise FormatError(f"{name} is larger than {most / 2**20:g} MB, or leads out of the folder.")
        return data


@dataclass(frozen=True, slots=True)
class Layout:
    """Of which format the label files are, which they are, and where images and labels lie. Empty: side by side."""

    kind: str
    files: Sequence[str]
    root: str = ""
    images: str = ""
    labels: str = ""
    # The file with the names of the classes, if the format has one.
    classes: str = ""
    # What an export of ours says of itself: names that no file could have.
    is_ours: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    def named(self, path: str) -> str:
        """The name of the datapoint that an image of the tree becomes."""
        stripped = _stripped(path, self.root, self.images)
        return self.renamed.get(stripped, stripped)

    def meant(self, name: str) -> str:
        """The name of the datapoint that a file for all images means by a name: in ours it is that of the file."""
        return self.renamed.get(name, name) if self.is_ours else self.named(name)

    def stem(self, path: str) -> str:
        """What the label file of an image is called, without folders of the format and suffix."""
        return _stripped(path, self.root, self.labels).rpartition(".")[0]


def _stripped(path: str, root: str, pattern: str) -> str:
    inner = path.removeprefix(root)
    if not pattern:
        return inner
    return re.sub(pattern, lambda found: (found["split"] or "") if "split" in found.re.groupindex else "", inner)


def recognize(tree: Tree) -> Layout:
    """By the names of the files alone; raises FormatError when there are no labels."""
    for look in (_yolo, _voc, _whole):
        if found := look(tree.names):
            return found
    raise FormatError(NOTHING)


def has_labels(tree: Tree) -> bool:
    """Whether there are files that look like labels, by their names."""
    try:
        recognize(tree)
    except FormatError:
        return False
    return True


def with_names(tree: Tree, layout: Layout) -> Layout:
    """The layout with the names that an export noted because no file could have them."""
    path = layout.root + ABOUT
    if path not in tree.names:
        return layout
    try:
        listed = json.loads(tree.read(path, ABOUT_LIMIT)).get("renamed", [])
        renamed = {each["file"]: each["name"] for each in listed if _is_name(each["name"]) and _is_name(each["file"])}
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        told = Problem(path, f"It cannot be understood: {error!r:.200}. Images keep the names of their files.")
        return replace(layout, is_ours=True, problems=[told])
    return replace(layout, is_ours=True, renamed=renamed)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= 500 and value.isprintable()


def _ending(names: Iterable[str], *suffixes: str) -> list[str]:
    return [name for name in names if name.lower().endswith(suffixes)]


def _pictures(names: Sequence[str]) -> list[str]:
    return _ending(names, *archives.SUFFIXES)


def _stems(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names}


def folder_of(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else f"{parent}/"


def _yolo(names: Sequence[str]) -> Layout | None:
    texts = [name for name in _ending(names, ".txt") if PurePosixPath(name).name.lower() not in _CLASSES | _OTHER_TEXTS]
    named = [name for name in _ending(names, ".yaml", ".yml") if "/labels/" not in name]
    named += [name for name in names if PurePosixPath(name).name.lower() in _CLASSES]
    classes = min(named, key=lambda name: (name.count("/"), PurePosixPath(name).name.lower() not in _USUAL), default="")
    root = folder_of(classes) if classes else ""
    root = root.removesuffix("labels/")
    pictures = _pictures(names)
    images, labels = (rf"(?i)^(?:{_SPLIT})?{folder}/(?:{_SPLIT})?" for folder in ("images", "labels"))
    files = [name for name in texts if re.match(labels, name.removeprefix(root))]
    if not files:
        beside = _stems(pictures)
        files = [name for name in texts if name.rpartition(".")[0] in beside]
        return Layout("yolo", files, root, classes=classes) if files and classes else None
    if not classes:
        raise FormatError(f"{files[0]} looks like YOLO, but no data.yaml or classes.txt says the names of the classes.")
    stripped = [_stripped(name, root, images if pictures else labels) for name in pictures or files]
    if len(set(stripped)) < len(stripped):
        # The same name in two splits: they can be told apart only by it.
        images, labels = (rf"(?i)^(?P<split>{_SPLIT})?{folder}/" for folder in ("images", "labels"))
    return Layout("yolo", files, root, images, labels, classes)


def _voc(names: Sequence[str]) -> Layout | None:
    every = _ending(names, ".xml")
    inside = [name for name in every if "/Annotations/" in f"/{name}"]
    if inside:
        root = f"/{inside[0]}".partition("/Annotations/")[0].lstrip("/")
        root = f"{root}/" if root else ""
        return Layout("voc", inside, root, "^JPEGImages/", "^Annotations/")
    beside = _stems(_pictures(names))
    files = [name for name in every if name.rpartition(".")[0] in beside] if beside else every
    return Layout("voc", files) if files else None


def _whole(names: Sequence[str]) -> Layout | None:
    """One file for all images, or a few: JSON, else tables."""
    found = [name for name in _ending(names, ".json") if PurePosixPath(name).name != ABOUT]
    found = found or _ending(names, ".csv")
    if len(found) > TABLES_LIMIT:
        raise FormatError(f"There are {len(found)} files of labels: at most {TABLES_LIMIT} are read.")
    if not found:
        return None
    common = os.path.commonprefix([folder_of(name) for name in found])
    root = common[: common.rfind("/") + 1].removesuffix("annotations/")
    return Layout("whole", found, root, "^images/")
