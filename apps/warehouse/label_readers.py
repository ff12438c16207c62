"""Labels of many images from files of every format: which images are meant, and the labels of one, checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.taxonomies import services as taxonomies
from apps.taxonomies.labels import LabelErrors
from apps.taxonomies.labels import parse as parse_labels
from apps.taxonomies.trees import ROOT
from apps.warehouse.archives import SUFFIXES
from apps.warehouse.formats import FormatError, Problem, coco, table, voc, yolo
from apps.warehouse.formats.boxfile import WAS_DELETED, BoxFile, Origin, Picture, origin_of, to_labels
from apps.warehouse.label_trees import Layout, Tree, folder_of, recognize, with_names
from apps.warehouse.models import Datapoint, Labelset
from apps.warehouse.staging import LabelReader

BYTES_LIMIT = 256 << 20
# The label file of one image: ten thousand boxes in XML.
ONE_LIMIT = 16 << 20
CLASSES_LIMIT = 1 << 18
UNSIZED = "Neither the image nor the file says how large it is. Its boxes are left out."
_LINE = re.compile(r"Line (\d+)")
_ENDINGS = ("", *sorted({*SUFFIXES, *(each.upper() for each in SUFFIXES)}))


@dataclass(frozen=True, slots=True)
class Reading:
    """The labels of one image, or None; what was left out; and where they come from."""

    labels: list[Any] | None
    problems: Sequence[Problem] = ()
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """One file for all images, or a file for each: what it says of which images, each known by a key."""

    keys: Sequence[str]
    labels: Callable[[str, Datapoint], Reading]
    # The names that the datapoint may have which a key means, and whether any key means exactly this name.
    candidates: Callable[[str], Sequence[str]]
    means: Callable[[str], bool]
    # What has to go from a datapoint's name to compare it with a key that has no folders.
    trimmed: str = "^.*/"
    # The name of the datapoint that an image beside the labels becomes.
    named: Callable[[str], str] = str
    problems: Sequence[Problem] = ()


Classes = Mapping[str, int]


def reader_of(labelset: Labelset) -> LabelReader:
    """How labels in the exchange form are read into a labelset."""
    palette = taxonomies.palette(labelset.taxonomy)
    paths = {(ROOT, *each["path"]): each["id"] for each in palette}
    names = {each["name"]: each["id"] for each in palette}

    def class_of(path: list[str]) -> int | None:
        return paths.get(tuple(path), names.get(path[-1]) if len(path) == 1 else None)

    return LabelReader(labelset.pk, frozenset(names.values()), class_of)


def of_bytes(data: bytes, name: str, labelset: Labelset, layout: Layout | None = None) -> LabelFile:
    """One file for all images: COCO, RedBrick's list or CSV; raises FormatError for what is none of them."""
    if name.lower().endswith(".csv"):
        return _of_boxes(table.read(data, name), labelset, layout)
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise FormatError(f"{name} is not JSON: {error}.") from error
    except RecursionError as error:
        raise FormatError(f"{name} is nested too deeply.") from error
    if isinstance(raw, list):
        return _of_items(raw, reader_of(labelset), layout)
    if isinstance(raw, dict):
        return _of_boxes(coco.parse(raw, name), labelset, layout)
    raise FormatError(f"{name} is neither COCO nor RedBrick's list.")


def of_tree(tree: Tree, labelset: Labelset) -> LabelFile:
    """The labels in an archive or a folder; raises FormatError where there are none, or none can be read."""
    layout = with_names(tree, recognize(tree))
    if layout.kind == "whole":
        return _of_files(tree, labelset, layout)
    if layout.kind == "voc":
        return _of_many(tree, labelset, layout, voc.read)
    names = yolo.classes(tree.read(layout.classes, CLASSES_LIMIT), layout.classes)
    return _of_many(tree, labelset, layout, partial(yolo.read, names=names), in_shares=True)


def _of_files(tree: Tree, labelset: Labelset, layout: Layout) -> LabelFile:
    """A file for all images; several are read as one if they are COCO or CSV."""
    if len(layout.files) == 1:
        (path,) = layout.files
        return of_bytes(tree.read(path, BYTES_LIMIT), path, labelset, layout)
    every, there = BoxFile({}, {}, []), frozenset(tree.names)
    for path in layout.files:
        try:
            data = tree.read(path, BYTES_LIMIT)
            found = table.read(data, path) if path.lower().endswith(".csv") else coco.parse(json.loads(data), path)
        except (FormatError, ValueError, RecursionError) as error:
            every.problems.append(Problem(path, f"It is left out: {error}"))
            continue
        every.problems += found.problems
        for name, picture in found.pictures.items():
            beside = folder_of(path) + name
            key = beside if beside in there else name
            if key in every.pictures:
                every.problems.append(Problem(key, f"{path}: another file lists the image too."))
            every.pictures.setdefault(key, picture)
    if not every.pictures:
        raise FormatError(" ".join(f"{each.name}: {each.reason}" for each in every.problems[:3]))
    return _of_boxes(every, labelset, layout)


def _of_boxes(file: BoxFile, labelset: Labelset, layout: Layout | None) -> LabelFile:
    class_of = _classes(labelset)

    def labels(key: str, point: Datapoint) -> Reading:
        return _checked(file.pictures[key], point, class_of, [])

    return _listing(list(file.pictures), labels, layout, file.problems)


def _of_items(items: Sequence[object], reader: LabelReader, layout: Layout | None) -> LabelFile:
    """RedBrick's list: boxes as shares of the image, in the exchange form."""
    found, problems = _items(items)

    def labels(key: str, point: Datapoint) -> Reading:
        item = found[key]
        origin = origin_of(*map(item.get, ("source", "confidence", "cycle", "createdBy")))
        try:
            return Reading(reader.read(item["labels"]), origin=origin)
        except (LabelErrors, ValueError) as error:
            return Reading(None, [Problem(key, f"Its labels: {error}")])

    return _listing(list(found), labels, layout, problems)


def _listing(
    keys: Sequence[str],
    labels: Callable[[str, Datapoint], Reading],
    layout: Layout | None,
    problems: Sequence[Problem],
) -> LabelFile:
    """Keys are names of images."""
    meant = layout.meant if layout else str
    names = frozenset(map(meant, keys))
    more: dict[str, Any] = {"named": layout.named} if layout else {}
    problems = [*(layout.problems if layout else ()), *problems]
    return LabelFile(
        keys=keys, labels=labels, candidates=lambda key: [meant(key)], means=names.__contains__, problems=problems,
        **more,
    )  # fmt: skip


def _of_many(
    tree: Tree,
    labelset: Labelset,
    layout: Layout,
    read: Callable[[bytes, str], tuple[Picture, list[Problem]]],
    *,
    in_shares: bool = False,
) -> LabelFile:
    """A file for each image, read when its turn comes; keys are the paths of the files."""
    class_of = _classes(labelset)
    renamed = {file.rpartition(".")[0]: name for file, name in layout.renamed.items()}
    claimed = frozenset(renamed.values())
    stems = frozenset(map(layout.stem, layout.files))

    def labels(key: str, point: Datapoint) -> Reading:
        try:
            picture, problems = read(tree.read(key, ONE_LIMIT), key)
        except FormatError as error:
            return Reading(None, [Problem(key, str(error))])
        return _checked(picture, point, class_of, problems, in_shares=in_shares)

    def candidates(key: str) -> Sequence[str]:
        stem = layout.stem(key)
        if stem in renamed:
            return [renamed[stem]]
        return [name for name in (stem + ending for ending in _ENDINGS) if name not in claimed]

    def means(name: str) -> bool:
        return name in claimed or name.rpartition(".")[0] in stems

    return LabelFile(
        keys=layout.files, labels=labels, candidates=candidates, means=means, named=layout.named,
        trimmed=r"^.*/|\.[^./]+$", problems=layout.problems,
    )  # fmt: skip


def _classes(labelset: Labelset) -> Classes:
    return {each["name"]: each["id"] for each in taxonomies.palette(labelset.taxonomy)}


def _checked(
    picture: Picture, point: Datapoint, class_of: Classes, problems: Sequence[Problem], *, in_shares: bool = False
) -> Reading:
    """The boxes as labels of the image; its size is its own where it is known, else the one that the file gives."""
    width, height = point.width or picture.width, point.height or picture.height
    if in_shares:
        width = height = 1
    if not width or not height:
        return Reading(None, [*problems, Problem(picture.name, UNSIZED)])
    raw, doubts = to_labels(picture, width=width, height=height, class_of=class_of)
    problems = sorted([*problems, *doubts], key=_line)
    if raw is None:
        return Reading(None, problems)
    try:
        labels = list(parse_labels(raw, class_ids=set(class_of.values())))
    except LabelErrors as error:
        return Reading(None, [*problems, Problem(picture.name, f"Its labels: {error}")])
    return Reading(labels, problems, picture.origin)


def _line(problem: Problem) -> int:
    found = _LINE.match(problem.reason)
    return int(found[1]) if found else 0


def _items(items: Sequence[object]) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The items that can be understood, by the names of their images."""
    found: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for position, item in enumerate(items, 1):
        name = _name(item)
        if not isinstance(item, dict) or not name:
            problems.append(Problem(f"item {position}", "It needs a name, a url, or items with exactly one path."))
        elif item.get("deleted") is True:
            problems.append(Problem(name, WAS_DELETED))
        elif not isinstance(item.get("labels"), list):
            problems.append(Problem(name, "Its labels must be a list."))
        elif name in found:
            problems.append(Problem(name, "The image is listed twice."))
        else:
            found[name] = item
    return found, problems


def _name(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    paths = item.get("items")
    only = paths[0] if isinstance(paths, list) and len(paths) == 1 else None
    name = item.get("name") or item.get("url") or only
    return name if isinstance(name, str) else ""
