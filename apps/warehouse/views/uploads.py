"""Upload: one page, one import a visit, one file a request."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import HtmxRequest
from apps.warehouse import services
from apps.warehouse.forms import FileForm, sentences
from apps.warehouse.models import Import
from apps.warehouse.services import UploadError


@require_GET
def upload(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    dataset = get_object_or_404(organization.datasets, pk=pk)
    return render(
        request, "warehouse/upload.html", {"dataset": dataset, "tab": "datasets"} | {"folders": settings.IMPORT_FOLDERS}
    )


@require_POST
def begin_upload(request: HtmxRequest, org: str, pk: int) -> JsonResponse:
    """Opens the import that the files of this visit belong to; answers where to send them."""
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    dataset = get_object_or_404(organization.datasets, pk=pk)
    row = services.begin_upload(dataset=dataset, by=request.user)
    return JsonResponse({"files": reverse("warehouse:upload-file", args=[organization.slug, row.pk])}, status=201)


@require_POST
def upload_file(request: HtmxRequest, org: str, pk: int) -> JsonResponse:
    """201 with the datapoint, or 422 or 413 with the reason."""
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    rows = Import.objects.filter(dataset__organization=organization, source="upload", undone_at=None)
    row = get_object_or_404(rows.select_related("dataset__organization"), pk=pk)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse({"reason": sentences(form)}, status=422)
    file, name = form.cleaned_data["file"], form.cleaned_data["name"]
    try:
        datapoint = services.add_upload(dataset=row.dataset, file=file, name=name, import_row=row)
    except UploadError as error:
        return JsonResponse({"name": name, "reason": str(error)}, status=error.status)
    thumbnail = reverse("warehouse:datapoint-thumbnail", args=[organization.slug, datapoint.uid])
    return JsonResponse({"uid": str(datapoint.uid), "name": datapoint.name, "thumbnail": thumbnail}, status=201)
