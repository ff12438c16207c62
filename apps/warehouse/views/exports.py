"""The export of a labelset: what of it, in which form; and the file itself."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.accounts.access import Can, enter
from apps.common.http import Conflict, HtmxRequest
from apps.taxonomies import services as taxonomies
from apps.warehouse import exports
from apps.warehouse.export_files import file_name
from apps.warehouse.forms import ExportForm
from apps.warehouse.models import Labelset


def _labelset(request: HtmxRequest, org: str, pk: int) -> Labelset:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    return get_object_or_404(organization.labelsets.select_related("taxonomy", "organization"), pk=pk)


def _form(request: HtmxRequest, row: Labelset) -> ExportForm:
    classes = [(each["id"], " › ".join(each["path"])) for each in taxonomies.palette(row.taxonomy)]
    formats = [(name, each.label) for name, each in exports.FORMATS.items()]
    return ExportForm({"format": "coco"} | request.GET.dict(), classes=classes, formats=formats)


@require_GET
def begin(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """The form, filled with the filters that the labelset's page had."""
    row = _labelset(request, org, pk)
    return _page(request, row, _form(request, row))


def _page(request: HtmxRequest, row: Labelset, form: ExportForm) -> HttpResponse:
    context = {"labelset": row, "form": form, "formats": exports.FORMATS, "tab": "labelsets"}
    return render(request, "warehouse/export.html", context, status=422 if form.errors else 200)


@require_GET
def export(request: HtmxRequest, org: str, pk: int) -> HttpResponseBase:
    row = _labelset(request, org, pk)
    form = _form(request, row)
    if not form.is_valid():
        return _page(request, row, form)
    chosen = exports.FORMATS[form.cleaned_data.pop("format")]
    try:
        found = exports.begin(chosen, row, exports.Options(**form.cleaned_data), by=request.user)
    except (Conflict, ValidationError) as error:
        form.add_error(None, error.message if isinstance(error, Conflict) else error)
        return _page(request, row, form)
    response = StreamingHttpResponse(found.content, content_type=found.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name(row)}.{found.suffix}"'
    response["Winnow-Cursor"] = found.cursor
    return response
