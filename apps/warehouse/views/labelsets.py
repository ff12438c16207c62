"""Labelsets: the list, one labelset with its viewer."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Avg, Count, Q, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import Conflict, HtmxRequest, is_fragment
from apps.common.texts import whole
from apps.taxonomies import services as taxonomies
from apps.warehouse import exports, services
from apps.warehouse.forms import EntryFilter, LabelsetForm
from apps.warehouse.models import Labelset, LabelsetEntry
from apps.warehouse.views import listing

ENTRIES_A_PAGE = 50


@require_http_methods(["GET", "POST"])
def labelsets(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE if request.method == "GET" else Can.MANAGE_WAREHOUSE)
    form = LabelsetForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        try:
            created = services.create_labelset(organization=organization, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("warehouse:labelset", organization.slug, created.pk)
    rows = organization.labelsets.select_related("taxonomy", "created_by").annotate(size=Count("entries"))
    context = listing(request, rows, size=ENTRIES_A_PAGE) | {"form": form, "tab": "labelsets"}
    context["has_taxonomies"] = organization.taxonomies.exists()
    return render(request, "warehouse/labelsets.html", context, status=422 if form.errors else 200)


@require_GET
def labelset(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.labelsets.select_related("taxonomy", "created_by"), pk=pk)
    form = _filter(request, row)
    entries = row.entries.matching(**form.chosen)
    context = listing(request, entries.select_related("datapoint"), size=ENTRIES_A_PAGE)
    context |= {"labelset": row, "form": form, "tab": "labelsets", "formats": exports.FORMATS}
    if not is_fragment(request):
        context |= _opened(request, row, context["page"].rows)
        context |= {"figures": _figures(row), "used_in": _used_in(row), "classes": _by_class(row)}
    template = "warehouse/_entries.html" if is_fragment(request) else "warehouse/labelset.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Request"
    return response


def _filter(request: HtmxRequest, row: Labelset) -> EntryFilter:
    classes = [(each["id"], " › ".join(each["path"])) for each in taxonomies.palette(row.taxonomy)]
    return EntryFilter(request.GET, classes=classes)


def _by_class(row: Labelset) -> list[dict[str, Any]]:
    """Boxes of each class of the taxonomy, with its share of the most frequent one."""
    palette = {each["id"]: each for each in taxonomies.palette(row.taxonomy)}
    found = [each | {"category": palette.get(each["class_id"])} for each in row.entries.boxes_by_class()]
    most = max((each["boxes"] for each in found), default=1)
    return [each | {"share": each["boxes"] / most} for each in found]


def _opened(request: HtmxRequest, row: Labelset, rows: list[LabelsetEntry]) -> dict[str, Any]:
    """The entry in the viewer: the one that the address names, else the first of the page."""
    wanted = whole(request.GET.get("entry", ""))
    named = row.entries.filter(pk=wanted).select_related("datapoint", "author").first() if wanted else None
    opened = named or next(iter(rows), None)
    return {"opened": opened, "boxes": boxes_of(opened) if opened else []}


def _figures(row: Labelset) -> dict[str, Any]:
    return row.entries.aggregate(
        images=Count("pk"),
        boxes=Sum("box_count", default=0),
        empty=Count("pk", filter=Q(box_count=0)),
        human=Count("pk", filter=Q(source="human")),
        model=Count("pk", filter=Q(source="model")),
        imported=Count("pk", filter=Q(source="import")),
        confidence=Avg("confidence", filter=Q(source="model")),
    )


def _used_in(row: Labelset) -> list[str]:
    return sorted(set(row.stages.values_list("project__name", flat=True)))


@require_GET
def entry(request: HtmxRequest, org: str, pk: int, number: int) -> HttpResponse:
    """The viewer: one image with its boxes and where they come from."""
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.labelsets.select_related("taxonomy"), pk=pk)
    found = get_object_or_404(row.entries.select_related("datapoint", "author"), pk=number)
    context = {"labelset": row, "opened": found, "boxes": boxes_of(found)}
    return render(request, "warehouse/_entry.html", context)


def boxes_of(row: LabelsetEntry) -> list[dict[str, Any]]:
    """Its labels as the overlay draws them: in pixels of the displayed image."""
    palette = {each["id"]: each for each in taxonomies.palette(row.labelset.taxonomy)}
    width, height = row.datapoint.width or 1000, row.datapoint.height or 1000
    boxes = []
    for label in row.labels:
        x, y, w, h = label["bbox"]
        box = {"x": x * width, "y": y * height, "width": w * width, "height": h * height, "label": label}
        boxes.append(box | {"category": palette.get(label["category"])})
    return boxes


@require_POST
def delete_labelset(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    row = get_object_or_404(organization.labelsets, pk=pk)
    if request.POST.get("confirmation") != row.name:
        messages.error(request, "The labelset was kept: the name you typed is not its name.")
        return redirect("warehouse:labelset", organization.slug, pk)
    try:
        services.delete_labelset(labelset=row, by=request.user)
    except Conflict as conflict:
        messages.error(request, conflict.message)
        return redirect("warehouse:labelset", organization.slug, pk)
    messages.success(request, f"The labelset {row.name} is deleted.")
    return redirect("warehouse:labelsets", organization.slug)
