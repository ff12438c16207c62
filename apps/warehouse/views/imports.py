"""Imports: begin one, watch it, read its errors, try again, undo."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.accounts.models import Organization
from apps.common.http import Conflict, HtmxRequest, is_fragment
from apps.warehouse import imports as services
from apps.warehouse.forms import BucketForm, FolderForm, ItemsListForm, ZipForm
from apps.warehouse.models import Dataset, Import, ImportFailure
from apps.warehouse.views import listing

IMPORTS_A_PAGE = 50
FAILURES_A_PAGE = 100


def _list_form(request: HtmxRequest, organization: Organization) -> forms.Form:
    return ItemsListForm(request.POST or None, request.FILES or None, organization=organization)


def _bucket_form(request: HtmxRequest, organization: Organization) -> forms.Form:
    return BucketForm(request.POST or None, request.FILES or None, organization=organization)


def _folder_form(request: HtmxRequest, organization: Organization) -> forms.Form:
    return FolderForm(request.POST or None, request.FILES or None, organization=organization)


def _zip_form(request: HtmxRequest, organization: Organization) -> forms.Form:
    return ZipForm(request.POST or None, request.FILES or None, organization=organization)


def _start_list(dataset: Dataset, by: Any, data: dict[str, Any]) -> Import:
    file = data["file"] or io.BytesIO(data["text"].encode())
    return services.start_items_list(
        dataset=dataset, storage=data["storage"], file=file, labelset=data["labelset"], by=by
    )


def _start_prefix(dataset: Dataset, by: Any, data: dict[str, Any]) -> Import:
    return services.start_prefix(dataset=dataset, by=by, **data)


def _start_zip(dataset: Dataset, by: Any, data: dict[str, Any]) -> Import:
    return services.start_zip(dataset=dataset, by=by, **data)


def _start_folder(dataset: Dataset, by: Any, data: dict[str, Any]) -> Import:
    return services.start_folder(dataset=dataset, by=by, **data)


Form = Callable[[HtmxRequest, Organization], forms.Form]
Start = Callable[[Dataset, Any, dict[str, Any]], Import]
WAYS: dict[str, tuple[str, Form, Start]] = {
    "items-list": ("Items list", _list_form, _start_list),
    "s3-prefix": ("Bucket", _bucket_form, _start_prefix),
    "zip": ("ZIP archive", _zip_form, _start_zip),
    "folder": ("Server folder", _folder_form, _start_folder),
}


@require_http_methods(["GET", "POST"])
def begin(request: HtmxRequest, org: str, pk: int, way: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    dataset = get_object_or_404(organization.datasets, pk=pk)
    if way not in WAYS or (way == "folder" and not settings.IMPORT_FOLDERS):
        raise Http404("There is no such way to import.")
    label, make_form, start = WAYS[way]
    form = make_form(request, organization)
    if request.method == "POST" and form.is_valid():
        try:
            row = start(dataset, request.user, form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("warehouse:import", organization.slug, row.pk)
    context = {"dataset": dataset, "form": form, "way": way, "label": label, "tab": "datasets"}
    context["has_storage"] = "storage" not in form.fields or form.fields["storage"].queryset.exists()  # type: ignore[attr-defined]
    context["folders"] = settings.IMPORT_FOLDERS
    return render(request, "warehouse/import_begin.html", context, status=422 if form.errors else 200)


@require_GET
def imports(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE)
    rows = Import.objects.filter(dataset__organization=organization).select_related("dataset", "run", "created_by")
    context = listing(request, rows, size=IMPORTS_A_PAGE, order="-pk") | {"tab": "imports"}
    return render(request, "warehouse/imports.html", context)


def _get(request: HtmxRequest, org: str, pk: int, can: Can) -> Import:
    organization = enter(request, org, can)
    rows = Import.objects.filter(dataset__organization=organization)
    return get_object_or_404(rows.select_related("dataset", "run__organization", "storage", "labelset"), pk=pk)


@require_GET
def import_page(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """Asks for its figures again when its run ends."""
    row = _get(request, org, pk, Can.SEE_WAREHOUSE)
    context = listing(request, row.failures.all(), size=FAILURES_A_PAGE) | {"row": row, "tab": "imports"}
    context["can_retry"] = row.failures.exclude(item=None).exists() or row.datapoints.exclude(error="").exists()
    context["has_positions"] = any(failure.position for failure in context["page"].rows)
    context["unread"] = row.datapoints.exclude(error="").count()
    template = "warehouse/_import.html" if is_fragment(request) else "warehouse/import.html"
    return render(request, template, context)


@require_GET
def failures(request: HtmxRequest, org: str, pk: int) -> HttpResponseBase:
    """Everything that did not come in, as a table for a spreadsheet."""
    row = _get(request, org, pk, Can.SEE_WAREHOUSE)
    response = StreamingHttpResponse(_lines(row), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{row.pk}-errors.csv"'
    return response


def _lines(row: Import) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["position", "name", "reason"])
    found: Iterator[ImportFailure] = row.failures.order_by("pk").iterator(chunk_size=1000)
    for failure in found:
        # A cell that begins so is a formula to a spreadsheet.
        name = f"'{failure.name}" if failure.name[:1] in "=+-@\t" else failure.name
        writer.writerow([failure.position or "", name, failure.reason])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


@require_POST
def retry(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    return _act(request, org, pk, services.retry_failed)


@require_POST
def undo(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    return _act(request, org, pk, services.undo)


def _act(request: HtmxRequest, org: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    row = _get(request, org, pk, Can.MANAGE_WAREHOUSE)
    try:
        action(import_row=row, by=request.user)
    except Conflict as conflict:
        messages.error(request, conflict.message)
    return redirect("warehouse:import", org, pk)
