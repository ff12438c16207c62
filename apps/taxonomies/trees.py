"""The tree of categories outside the database: read from JSON or from indented lines, checked, written back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ROOT = "object"
DEPTH_LIMIT = 3
NAME_LIMIT = 80
CATEGORY_LIMIT = 2000
CLASS_ID_LIMIT = 1_000_000
COLORS = 20
ATTRIBUTE_TYPES = ("text", "boolean", "select")
_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<name>.*?)(?:[ \t]+\[(?P<class_id>\d{1,7})\])?[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Node:
    """A category and what is under it. Without a class id it is new and gets the next one."""

    name: str
    class_id: int | None = None
    color: int | None = None
    description: str = ""
    attributes: list[dict[str, Any]] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def swatch(self) -> int:
        """The color it has unless one was chosen."""
        return (self.class_id or 0) % COLORS


class TreeErrors(ValueError):
    """Everything that is wrong with a tree at once."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(" ".join(errors[:20]))
        self.errors = list(errors)


def walk(nodes: Sequence[Node], depth: int = 1) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, parents first."""
    for node in nodes:
        yield node, depth
        yield from walk(node.children, depth + 1)


def check(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, if they make a taxonomy; raises TreeErrors."""
    every = list(walk(nodes))
    errors = [] if every else ["A taxonomy needs at least one category."]
    if len(every) > CATEGORY_LIMIT:
        errors.append(f"{len(every)} categories, more than the {CATEGORY_LIMIT} a taxonomy may have.")
    names: set[str] = set()
    ids: set[int] = set()
    for node, depth in every:
        errors += _wrong_with(node, depth)
        if node.name in names:
            errors.append(f"{node.name}: the name is there twice.")
        if node.class_id in ids:
            errors.append(f"{node.name}: class id {node.class_id} is there twice.")
        names.add(node.name)
        if node.class_id is not None:
            ids.add(node.class_id)
    if errors:
        raise TreeErrors(errors)
    return list(nodes)


def _wrong_with(node: Node, depth: int) -> Iterator[str]:
    if not node.name:
        yield "A category has no name."
    elif len(node.name) > NAME_LIMIT:
        yield f"{node.name[:NAME_LIMIT]}…: the name is longer than {NAME_LIMIT} characters."
    elif node.name == ROOT:
        yield f"{ROOT}: this is the name of the root."
    if not node.name.isprintable():
        yield f"{node.name!r}: the name has characters that cannot be shown."
    if depth > DEPTH_LIMIT:
        yield f"{node.name}: deeper than {DEPTH_LIMIT} levels."


def with_class_ids(nodes: Sequence[Node], first: int = 0) -> list[Node]:
    """New nodes get the ids from `first` on, in the order of the tree; never one that the tree already uses."""
    taken = {node.class_id for node, _ in walk(nodes) if node.class_id is not None}
    free = (number for number in range(first, CLASS_ID_LIMIT + len(taken) + CATEGORY_LIMIT) if number not in taken)

    def number(node: Node) -> Node:
        mine = next(free) if node.class_id is None else node.class_id
        return replace(node, class_id=mine, children=[number(child) for child in node.children])

    return [number(node) for node in nodes]


def from_names(names: Sequence[str]) -> list[Node]:
    """A flat tree."""
    return check([Node(name.strip()) for name in names])


def from_lines(text: str) -> list[Node]:
    """A tree from one category a line; deeper indentation means under the line above; `[3]` gives the class id."""
    rows: list[tuple[int, Node]] = []
    for line in text.expandtabs(2).splitlines():
        match = _LINE.match(line)
        if match is None or not match["name"]:
            continue
        class_id = int(match["class_id"]) if match["class_id"] else None
        rows.append((len(match["indent"]), Node(match["name"], class_id)))
    return check(_nest(rows))


def _nest(rows: Sequence[tuple[int, Node]]) -> list[Node]:
    roots: list[Node] = []
    path: list[tuple[int, Node]] = []
    for indent, node in rows:
        while path and path[-1][0] >= indent:
            path.pop()
        (path[-1][1].children if path else roots).append(node)
        path.append((indent, node))
    return roots


def to_lines(nodes: Sequence[Node]) -> str:
    return "\n".join(f"{'  ' * (depth - 1)}{node.name} [{node.class_id}]" for node, depth in walk(nodes))


def from_json(raw: object) -> list[Node]:
    """A tree from `[{"name": "object", "children": [{"name", "classId", "children"…}]}]`; the root may be left out."""
    entries = raw.get("categories", [raw]) if isinstance(raw, dict) else raw
    if not isinstance(entries, list):
        raise TreeErrors(["A taxonomy must be a list of categories."])
    if len(entries) == 1 and isinstance(entries[0], dict) and entries[0].get("name") == ROOT:
        entries = entries[0].get("children", [])
    errors: list[str] = []
    nodes = _read(entries, "", 1, errors)
    if errors:
        raise TreeErrors(errors)
    return check(nodes)


def _read(entries: object, path: str, depth: int, errors: list[str]) -> list[Node]:
    if not isinstance(entries, list):
        errors.append(f"{path or 'The root'}: children must be a list.")
        return []
    if depth > DEPTH_LIMIT and entries:
        errors.append(f"{path}: deeper than {DEPTH_LIMIT} levels.")
        return []
    nodes = []
    for position, entry in enumerate(entries, 1):
        where = f"{path} > {position}" if path else f"Category {position}"
        if isinstance(entry, str):
            entry = {"name": entry}
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            errors.append(f"{where}: must be an object with a name.")
            continue
        name = entry["name"].strip()
        try:
            node = _node(entry, name)
        except ValueError as error:
            errors.append(f"{name or where}: {error}")
            continue
        node.children.extend(_read(entry.get("children") or [], name, depth + 1, errors))
        nodes.append(node)
    return nodes


def _node(entry: dict[str, Any], name: str) -> Node:
    description = entry.get("description", "")
    if not isinstance(description, str) or len(description) > 2000:
        raise ValueError("the description must be a text of at most 2000 characters.")
    class_id = _whole(entry.get("classId"), "classId", CLASS_ID_LIMIT)
    color = _whole(entry.get("color"), "color", COLORS - 1)
    return Node(name, class_id, color, description, _attributes(entry.get("attributes") or []))


def _whole(value: object, key: str, limit: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        raise ValueError(f"{key} must be a whole number from 0 to {limit}.")
    return value


def _attributes(raw: object) -> list[dict[str, Any]]:
    """Attributes are `{"name", "type": text | boolean | select, "options" of a select}`."""
    if not isinstance(raw, list) or len(raw) > 20:
        raise ValueError("attributes must be a list of at most 20.")
    found = []
    for entry in raw:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
            raise ValueError("an attribute needs a name.")
        kind = entry.get("type", "text")
        if kind not in ATTRIBUTE_TYPES:
            raise ValueError(f"attribute {name} must be one of {', '.join(ATTRIBUTE_TYPES)}.")
        attribute: dict[str, Any] = {"name": name, "type": kind}
        if kind == "select":
            attribute["options"] = _options(name, entry.get("options"))
        found.append(attribute)
    if len({attribute["name"] for attribute in found}) < len(found):
        raise ValueError("two attributes have the same name.")
    return found


def _options(name: str, raw: object) -> list[str]:
    if not isinstance(raw, list) or not raw or len(raw) > 100:
        raise ValueError(f"attribute {name} needs 1 to 100 options.")
    if not all(isinstance(option, str) and 0 < len(option) <= NAME_LIMIT for option in raw):
        raise ValueError(f"the options of attribute {name} must be texts.")
    return list(raw)


def to_json(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """RedBrick's form, the root included."""
    return [{"name": ROOT, "children": [_entry(node) for node in nodes]}]


def _entry(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": node.name, "classId": node.class_id, "color": node.color}
    if node.description:
        entry["description"] = node.description
    if node.attributes:
        entry["attributes"] = node.attributes
    return entry | {"children": [_entry(child) for child in node.children]}
