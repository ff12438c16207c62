"""Datasets: the list, one dataset as grid or list, one datapoint."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import Conflict, HtmxRequest, is_fragment
from apps.warehouse import removing, services
from apps.warehouse.forms import DatapointFilter, DatasetForm, sentences
from apps.warehouse.models import Datapoint, Dataset, Import
from apps.warehouse.views import listing

PAGE_SIZE = 60
DATASETS_A_PAGE = 50
BATCHES_SHOWN = 100


@require_http_methods(["GET", "POST"])
def datasets(request: HtmxRequest, org: str) -> HttpResponse:
    """The list, and the dialog that makes a new one."""
    organization = enter(request, org, Can.SEE_WAREHOUSE if request.method == "GET" else Can.MANAGE_WAREHOUSE)
    form = DatasetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            dataset = services.create_dataset(organization=organization, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("warehouse:upload", organization.slug, dataset.pk)
    rows = organization.datasets.select_related("created_by")
    rows = rows.annotate(size=Count("datapoints"), leaving=removing.being_deleted())
    context = listing(request, rows, size=DATASETS_A_PAGE) | {"form": form, "tab": "datasets"}
    return render(request, "warehouse/datasets.html", context, status=422 if form.errors else 200)


@require_GET
def dataset(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.datasets.select_related("created_by"), pk=pk)
    form = filter_of(request, row)
    points = Datapoint.objects.matching(row, **chosen(form)).select_related("storage")
    context = listing(request, points, size=PAGE_SIZE) | {"dataset": row, "form": form} | _counts(request, row)
    template = "warehouse/_datapoints.html" if is_fragment(request) else "warehouse/dataset.html"
    response = render(request, template, context)
    response["Vary"] = "HX-Request"
    return response


def filter_of(request: HtmxRequest, row: Dataset) -> DatapointFilter:
    form = DatapointFilter(request.GET)
    form.fields["batch"].queryset = row.imports.all()  # type: ignore[attr-defined]
    form.is_valid()
    return form


def chosen(form: DatapointFilter) -> dict[str, Any]:
    """What of the filter is valid; the rest is as if it were not there."""
    return {name: value for name, value in form.cleaned_data.items() if name != "view" and value}


def _counts(request: HtmxRequest, row: Dataset) -> dict[str, Any]:
    """Only for the whole page: a fragment changes none of them."""
    if is_fragment(request):
        return {}
    used: QuerySet[Any, Any] = row.stages.values_list("project__name", flat=True)
    failed: int = row.datapoints.exclude(error="").count()
    edit = DatasetForm(initial={"name": row.name, "description": row.description}, auto_id="edit_%s")
    figures: dict[str, Any] = {"total": row.datapoints.count(), "failed": failed, "used_in": sorted(set(used))}
    figures["deletion"] = removing.deletion_of(row)
    figures["batches"] = _batches(row, filter_of(request, row).cleaned_data.get("batch"))
    return figures | {"tab": "datasets", "edit": edit}


def _batches(row: Dataset, wanted: Import | None) -> list[Import]:
    """The imports to choose from: the last ones, and the chosen one however old it is."""
    last = list(row.imports.order_by("-pk")[:BATCHES_SHOWN])
    return last if wanted is None or wanted in last else [*last, wanted]


@require_GET
def datapoint(request: HtmxRequest, org: str, pk: int, uid: uuid.UUID) -> HttpResponse:
    """One image, large; its neighbors are those of the same filter."""
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    row = get_object_or_404(organization.datasets, pk=pk)
    point = get_object_or_404(row.datapoints.select_related("storage", "import_row"), uid=uid)
    around = Datapoint.objects.matching(row, **chosen(filter_of(request, row)))
    context = {
        "dataset": row,
        "datapoint": point,
        "previous": around.filter(pk__lt=point.pk).order_by("-pk").first(),
        "next": around.filter(pk__gt=point.pk).order_by("pk").first(),
        "entries": point.entries.select_related("labelset").order_by("pk")[:20],
        "tab": "datasets",
    }
    return render(request, "warehouse/datapoint.html", context)


@require_POST
def edit_dataset(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    row = get_object_or_404(organization.datasets, pk=pk)
    form = DatasetForm(request.POST)
    if form.is_valid():
        try:
            services.edit(row, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
    if form.errors:
        messages.error(request, sentences(form))
    return redirect("warehouse:dataset", organization.slug, pk)


@require_POST
def delete_dataset(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    row = get_object_or_404(organization.datasets, pk=pk)
    if request.POST.get("confirmation") != row.name:
        messages.error(request, "The dataset was kept: the name you typed is not its name.")
        return redirect("warehouse:dataset", organization.slug, pk)
    try:
        removing.delete_dataset(dataset=row, by=request.user)
    except Conflict as conflict:
        messages.error(request, conflict.message)
        return redirect("warehouse:dataset", organization.slug, pk)
    messages.success(request, f"{row.name} is being deleted, with its images; large ones take a while.")
    return redirect("warehouse:datasets", organization.slug)
