"""YOLO as Ultralytics reads it: a text file an image, lines of class, center x, center y, width, height."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import yaml

from apps.warehouse.formats import Class, Content, FormatError, Item, Numbers, Problem, batched, edges, texts
from apps.warehouse.formats.boxfile import Box, Picture, bbox_of, numbers, share_of
from apps.warehouse.formats.names import Names, split_of
from apps.warehouse.formats.zipstream import File

# Edges on a grid of 1e-8 of the image, so centers fall on half of it: read back, they give the same edges.
_GRID = 1e8


def files(content: Content) -> Iterator[File]:
    """`data.yaml` and `labels/<split>/<name>.txt`; the images belong beside as `images/<split>/<name>`."""
    yield "data.yaml", _data(content.classes).encode()
    # YOLO counts its classes without gaps.
    numbers = {each.id: str(number) for number, each in enumerate(content.classes)}
    names = Names(content.renamed)
    for batch in content.labeled():
        places = map(" ".join, batched(texts(_centers(batch)), 4))
        for item in batch:
            lines = [f"{numbers[label.category]} {next(places)}\n" for label in item.labels]
            yield f"labels/{split_of(item.name)}/{names.stem(item)}.txt", "".join(lines).encode()


def image_path(item: Item, file: str) -> str:
    return f"images/{split_of(item.name)}/{file}"


def _centers(batch: Sequence[Item]) -> Numbers:
    """Center x, center y, width and height of every box, as shares of the image: (boxes, 4)."""
    found = (edges(batch) * _GRID).round()
    first, last = found[:, :2], found[:, 2:]
    return np.hstack([(first + last) / (2 * _GRID), (last - first) / _GRID])


def _data(classes: Sequence[Class]) -> str:
    names = "".join(f"  {number}: {json.dumps(each.name, ensure_ascii=False)}\n" for number, each in enumerate(classes))
    # Without `path`, which trainers look for among all their datasets, they begin where this file is.
    return f"train: images/train\nval: images/val\ntest: images/test\nnames:\n{names}"


def classes(data: bytes, path: str) -> dict[int, str]:
    """Names by number, of `data.yaml` or of a text with one a line; raises FormatError."""
    try:
        text = data.decode("utf-8-sig")
        if not path.lower().endswith((".yaml", ".yml")):
            return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
        # Aliases of aliases would grow without end.
        has_aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
        raw = None if has_aliases else yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read: {str(error)[:300]}.") from error
    if has_aliases:
        raise FormatError(f"{path} has aliases: these are not read.")
    found = raw.get("names") if isinstance(raw, dict) else None
    named = dict(enumerate(found)) if isinstance(found, list) else found
    if not isinstance(named, dict):
        raise FormatError(f"{path} does not say the names of the classes.")
    if not all(isinstance(key, int) and isinstance(name, str | int) for key, name in named.items()):
        raise FormatError(f"{path}: each class needs a number and a name.")
    return {key: str(name).strip() for key, name in named.items()}


def read(data: bytes, path: str, names: Mapping[int, str]) -> tuple[Picture, list[Problem]]:
    """The boxes of one image, a sixth number being the confidence; and every line that is none."""
    picture, problems = Picture(path, file=path), []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        if not (parts := line.split()):
            continue
        found = _box(parts, names, f"Line {number}")
        if isinstance(found, Box):
            picture.boxes.append(found)
        else:
            problems.append(Problem(path, f"Line {number}: {found}"))
    return picture, problems


def _box(parts: list[str], names: Mapping[int, str], where: str) -> Box | str:
    """The box, or what is wrong with the line."""
    values = numbers(parts[1:])
    if values is None or not parts[0].isdecimal() or len(parts[0]) > 9:
        return "a class number and four numbers are needed."
    if len(parts) not in (5, 6):
        return "it is an outline, not a box." if len(parts) > 6 else "a class number and four numbers are needed."
    if (name := names.get(int(parts[0]))) is None:
        return f"there is no class {parts[0]} among the names."
    if (centered := bbox_of(values[:4])) is None:
        return "the box must be four finite numbers."
    x, y, width, height = centered
    confidence = share_of(values[4]) if len(values) == 5 else None
    return Box(name, (x - width / 2, y - height / 2, width, height), confidence, in_shares=True, where=where)
