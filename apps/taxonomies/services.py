"""Create taxonomies, edit them, freeze a version when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts.models import Organization
from apps.common.http import Conflict
from apps.taxonomies import trees
from apps.taxonomies.models import Category, Taxonomy
from apps.taxonomies.trees import COLORS, Node, TreeErrors


class PaletteEntry(TypedDict):
    """What a page needs of a category to name and color its boxes."""

    id: int
    name: str
    path: list[str]
    color: int
    description: str
    attributes: list[dict[str, Any]]


def create(
    *, organization: Organization, name: str, tree: Sequence[str] | Sequence[Node] | object, description: str = ""
) -> Taxonomy:
    """Version 1 of a new taxonomy. `tree` is a list of names, of nodes, or the JSON form."""
    nodes = trees.with_class_ids(_nodes_of(tree))
    taxonomy = Taxonomy(organization=organization, name=name.strip(), description=description)
    taxonomy.full_clean(exclude=["organization"])
    with transaction.atomic():
        if Taxonomy.objects.filter(organization=organization, name=taxonomy.name).exists():
            raise ValidationError({"name": "A taxonomy of this name is there already."})
        taxonomy.save()
        _write(taxonomy, nodes)
    return taxonomy


def _nodes_of(tree: object) -> list[Node]:
    if isinstance(tree, list | tuple) and tree and all(isinstance(part, Node) for part in tree):
        return trees.check(list(tree))
    if isinstance(tree, list | tuple) and tree and all(isinstance(part, str) for part in tree):
        return trees.from_names(list(tree))
    return trees.from_json(tree)


@transaction.atomic
def update(*, taxonomy: Taxonomy, tree: object, description: str | None = None) -> Taxonomy:
    """The taxonomy with a new tree: in place while unused, else as the next version, which keeps every class id."""
    locked = Taxonomy.objects.select_for_update().get(pk=taxonomy.pk)
    versions = Taxonomy.objects.filter(organization=locked.organization_id, name=locked.name)
    newest = versions.aggregate(newest=Max("version"))["newest"]
    if newest != locked.version:
        raise Conflict(f"Version {newest} is there already: edit that one.", version=newest)
    used = Category.objects.filter(taxonomy__in=versions).aggregate(last=Max("class_id"))["last"]
    nodes = _kept(locked, trees.with_class_ids(_matched(locked, _nodes_of(tree)), -1 if used is None else used + 1))
    if locked.frozen_at is not None:
        locked = Taxonomy(organization_id=locked.organization_id, name=locked.name, version=locked.version + 1)
        locked.description = taxonomy.description
    if description is not None:
        locked.description = description
    locked.save()
    locked.categories.all().delete()
    _write(locked, nodes)
    return locked


def _matched(taxonomy: Taxonomy, nodes: Sequence[Node]) -> list[Node]:
    """Nodes without an id take that of the category of the same name."""
    known = dict(taxonomy.categories.values_list("name", "class_id"))
    given = {node.class_id for node, _ in trees.walk(nodes)}

    def match(node: Node) -> Node:
        mine = node.class_id
        if mine is None and known.get(node.name) not in given:
            mine = known.get(node.name)
        return replace(node, class_id=mine, children=[match(child) for child in node.children])

    return [match(node) for node in nodes]


def _kept(taxonomy: Taxonomy, nodes: Sequence[Node]) -> list[Node]:
    """What the new tree says nothing about stays as it was; a used version loses no class."""
    old = {category.class_id: category for category in taxonomy.categories.all()}
    here = {node.class_id for node, _ in trees.walk(nodes)}
    if taxonomy.frozen_at is not None and (gone := [old[i].name for i in old if i not in here]):
        raise TreeErrors([f"{name}: labels may use this class, the next version must keep it." for name in gone])

    def keep(node: Node) -> Node:
        before = old.get(node.class_id) if node.class_id is not None else None
        children = [keep(child) for child in node.children]
        if before is None:
            return replace(node, children=children)
        return replace(
            node,
            color=before.color if node.color is None else node.color,
            description=node.description or before.description,
            attributes=node.attributes or before.attributes,
            children=children,
        )

    return [keep(node) for node in nodes]


def _write(taxonomy: Taxonomy, nodes: Sequence[Node]) -> None:
    level = [(None, node) for node in nodes]
    depth = 1
    while level:
        rows = Category.objects.bulk_create(_row(taxonomy, parent, node, depth) for parent, node in level)
        level = [(row, child) for row, (_, node) in zip(rows, level, strict=True) for child in node.children]  # type: ignore[misc]
        depth += 1


def _row(taxonomy: Taxonomy, parent: Category | None, node: Node, depth: int) -> Category:
    class_id = node.class_id or 0
    return Category(
        taxonomy=taxonomy,
        parent=parent,
        name=node.name,
        class_id=class_id,
        depth=depth,
        color=class_id % COLORS if node.color is None else node.color,
        description=node.description,
        attributes=node.attributes,
    )


def freeze(taxonomy: Taxonomy) -> None:
    """From now on an edit makes the next version. Called by whatever begins to use the taxonomy."""
    Taxonomy.objects.filter(pk=taxonomy.pk, frozen_at=None).update(frozen_at=timezone.now())
    taxonomy.refresh_from_db(fields=["frozen_at"])


@transaction.atomic
def delete(*, taxonomy: Taxonomy) -> None:
    """Remove a version that nothing uses."""
    locked = Taxonomy.objects.select_for_update().get(pk=taxonomy.pk)
    if locked.frozen_at is not None:
        raise Conflict("This version is in use: labelsets or stages name it.")
    locked.delete()


def nodes(taxonomy: Taxonomy) -> list[Node]:
    """The tree as stored."""
    built: dict[int | None, list[Node]] = {}
    for row in taxonomy.categories.order_by("-depth", "class_id"):
        node = Node(row.name, row.class_id, row.color, row.description, row.attributes, built.pop(row.pk, []))
        built.setdefault(row.parent_id, []).append(node)
    return built.get(None, [])


def class_ids(taxonomy: Taxonomy) -> frozenset[int]:
    return frozenset(taxonomy.categories.values_list("class_id", flat=True))


def palette(taxonomy: Taxonomy) -> list[PaletteEntry]:
    """Every category with its color, in the order of the tree."""
    entries: list[PaletteEntry] = []

    def add(branch: Sequence[Node], path: list[str]) -> None:
        for node in branch:
            here = [*path, node.name]
            entries.append(
                {
                    "id": node.class_id or 0,
                    "name": node.name,
                    "path": here,
                    "color": node.color or 0,
                    "description": node.description,
                    "attributes": node.attributes,
                }
            )
            add(node.children, here)

    add(nodes(taxonomy), [])
    return entries
