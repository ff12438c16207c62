"""Pages may load images from the storages of the organization they belong to, and from nowhere else."""

from __future__ import annotations

from collections.abc import Callable

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponseBase

from apps.warehouse.doors import is_own_folder, origin_of
from apps.warehouse.models import StorageMethod


class ImagesFromStorages:
    """Must come after django-csp's middleware, which writes what this one adds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        membership = getattr(request, "membership", None)
        if membership is not None and response.get("Content-Type", "").startswith("text/html"):
            methods = StorageMethod.objects.filter(organization=membership.organization_id).exclude(origins=[])
            origins = {origin for method in methods.values_list("origins", flat=True) for origin in method}
            if not is_own_folder():
                origins.add(origin_of(default_storage.url("x")))
            if origins:
                response._csp_update = {"img-src": sorted(origins)}  # type: ignore[attr-defined]
        return response
