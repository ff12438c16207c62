"""Taxonomies: list, get, make, make the next version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Path, Router, Schema, Status

from apps.accounts.access import Can
from apps.api.auth import enter
from apps.api.errors import REFUSALS
from apps.api.inputs import In, Name, example
from apps.api.paging import CursorQuery, Page, page
from apps.taxonomies import services, trees
from apps.taxonomies.models import Taxonomy

router = Router()


class TaxonomyIn(In):
    """`categories` are names, or a tree of `{"name", "classId"?, "children"?, "description"?, "attributes"?}`."""

    model_config = example(
        name="Traffic",
        categories=[{"name": "vehicle", "children": [{"name": "car"}, {"name": "bus"}]}, {"name": "person"}],
    )

    name: Name
    description: str = ""
    categories: list[str | dict[str, Any]]


class TreeIn(In):
    model_config = example(categories=["car", "bus", "person"])

    description: str | None = None
    categories: list[str | dict[str, Any]]


class TaxonomyOut(Schema):
    id: int
    name: str
    version: int
    description: str
    frozen: bool
    created_at: datetime
    categories: list[dict[str, Any]]


@router.get("", response={200: Page[TaxonomyOut], **REFUSALS})
def list_taxonomies(request: HttpRequest, slug: Path[str], cursor: CursorQuery) -> dict[str, Any]:
    """Every version of every taxonomy."""
    return page(enter(request, slug, Can.SEE_WAREHOUSE).taxonomies.all(), cursor, _taxonomy)


@router.post("", response={201: TaxonomyOut, **REFUSALS})
def create_taxonomy(request: HttpRequest, slug: Path[str], payload: TaxonomyIn) -> Status[dict[str, Any]]:
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    made = services.create(
        organization=organization, name=payload.name, tree=payload.categories, description=payload.description
    )
    return Status(201, _taxonomy(made))


@router.get("/{taxonomy_id}", response={200: TaxonomyOut, **REFUSALS})
def get_taxonomy(request: HttpRequest, slug: Path[str], taxonomy_id: int) -> dict[str, Any]:
    organization = enter(request, slug, Can.SEE_WAREHOUSE)
    return _taxonomy(get_object_or_404(organization.taxonomies, pk=taxonomy_id))


@router.post("/{taxonomy_id}/versions", response={201: TaxonomyOut, **REFUSALS})
def edit_taxonomy(request: HttpRequest, slug: Path[str], taxonomy_id: int, payload: TreeIn) -> Status[dict[str, Any]]:
    """Another tree: in place while the newest version is unused, else as the next version. Class ids stay."""
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    taxonomy = get_object_or_404(organization.taxonomies, pk=taxonomy_id)
    edited = services.update(taxonomy=taxonomy, tree=payload.categories, description=payload.description)
    return Status(201, _taxonomy(edited))


@router.delete("/{taxonomy_id}", response={204: None, **REFUSALS})
def delete_taxonomy(request: HttpRequest, slug: Path[str], taxonomy_id: int) -> Status[None]:
    """Remove a version that nothing uses."""
    organization = enter(request, slug, Can.MANAGE_WAREHOUSE)
    services.delete(taxonomy=get_object_or_404(organization.taxonomies, pk=taxonomy_id))
    return Status(204, None)


def _taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    return {
        "id": taxonomy.pk,
        "name": taxonomy.name,
        "version": taxonomy.version,
        "description": taxonomy.description,
        "frozen": taxonomy.frozen_at is not None,
        "created_at": taxonomy.created_at,
        "categories": trees.to_json(services.nodes(taxonomy)),
    }
