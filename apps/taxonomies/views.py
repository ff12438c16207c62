"""Taxonomies: the list, one version as a tree, the editor."""

from __future__ import annotations

import json

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import Conflict, HtmxRequest
from apps.common.paging import page_by_key
from apps.taxonomies import services, trees
from apps.taxonomies.forms import PreviewForm, TaxonomyForm, TreeForm
from apps.taxonomies.models import Taxonomy
from apps.taxonomies.readymade import READYMADE
from apps.taxonomies.trees import TreeErrors


@require_GET
def taxonomies(request: HtmxRequest, org: str) -> HttpResponse:
    """The newest version of each."""
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    newest = organization.taxonomies.values("name").annotate(newest=Max("pk")).values("newest")
    rows = Taxonomy.objects.filter(pk__in=newest).annotate(size=Count("categories"))
    page = page_by_key(rows, ("name", "id"), request.GET.get("after", ""), before=request.GET.get("before", ""))
    context = {"rows": page.rows, "links": page.links(request), "tab": "taxonomies"}
    return render(request, "taxonomies/taxonomies.html", context)


@require_http_methods(["GET", "POST"])
def new(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    form = TaxonomyForm(request.POST or None, initial=_readymade(request.GET.get("from", "")))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            created = services.create(
                organization=organization,
                name=data["name"],
                tree=data["categories"],
                description=data["description"],
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("taxonomies:taxonomy", organization.slug, created.pk)
    context = {"form": form, "tab": "taxonomies", "readymade": {key: each[0] for key, each in READYMADE.items()}}
    return render(request, "taxonomies/edit.html", context, status=422 if form.errors else 200)


def _readymade(key: str) -> dict[str, str]:
    """What the form begins with if one of the ready-made ones was chosen."""
    if key not in READYMADE:
        return {}
    name, description, nodes = READYMADE[key]
    return {"name": name, "description": description, "categories": trees.to_lines(trees.with_class_ids(nodes))}


@require_GET
def taxonomy(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.taxonomies, pk=pk)
    versions = list(organization.taxonomies.filter(name=row.name).order_by("-version"))
    context = {
        "taxonomy": row,
        "nodes": services.nodes(row),
        "size": row.categories.count(),
        "versions": versions,
        "newest": versions[0],
        "labelsets": row.labelsets.order_by("name")[:50],
        "projects": sorted(set(row.stages.values_list("project__name", flat=True))),
        "tab": "taxonomies",
    }
    return render(request, "taxonomies/taxonomy.html", context)


@require_http_methods(["GET", "POST"])
def edit(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    row = get_object_or_404(organization.taxonomies, pk=pk)
    as_json = request.GET.get("as") == "json"
    form = TreeForm(request.POST or None, initial={"description": row.description, "categories": _text(row, as_json)})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            saved = services.update(taxonomy=row, tree=data["categories"], description=data["description"])
        except (TreeErrors, Conflict) as error:
            form.add_error("categories", getattr(error, "errors", None) or str(error))
        else:
            messages.success(request, f"{saved} is saved.")
            return redirect("taxonomies:taxonomy", organization.slug, saved.pk)
    context = {"form": form, "taxonomy": row, "as_json": as_json, "nodes": services.nodes(row), "tab": "taxonomies"}
    return render(request, "taxonomies/edit.html", context, status=422 if form.errors else 200)


def _text(row: Taxonomy, as_json: bool) -> str:
    nodes = services.nodes(row)
    return json.dumps(trees.to_json(nodes), indent=2, ensure_ascii=False) if as_json else trees.to_lines(nodes)


@require_POST
def preview(request: HtmxRequest, org: str) -> HttpResponse:
    """The tree that the text in the editor makes, or what is wrong with it; nothing is saved."""
    enter(request, org, Can.MANAGE_WAREHOUSE)
    form = PreviewForm(request.POST)
    nodes = trees.with_class_ids(form.cleaned_data["categories"]) if form.is_valid() else []
    return render(request, "taxonomies/_preview.html", {"form": form, "nodes": nodes})


@require_GET
def export(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """The version as JSON, to be imported elsewhere."""
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.taxonomies, pk=pk)
    response = HttpResponse(_text(row, as_json=True), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="taxonomy-{row.pk}-v{row.version}.json"'
    return response


@require_POST
def delete(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    row = get_object_or_404(organization.taxonomies, pk=pk)
    try:
        services.delete(taxonomy=row)
    except Conflict as conflict:
        messages.error(request, conflict.message)
        return redirect("taxonomies:taxonomy", organization.slug, pk)
    messages.success(request, f"{row} is deleted.")
    return redirect("taxonomies:list", organization.slug)
