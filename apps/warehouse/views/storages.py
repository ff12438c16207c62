"""Storage methods: list, make, try, give other keys, delete, and the guide to a bucket."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import Can, enter
from apps.common.http import Conflict, HtmxRequest
from apps.warehouse import methods
from apps.warehouse.forms import KeysForm, S3Form, StorageForm, sentences


@require_http_methods(["GET", "POST"])
def storages(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.SEE_WAREHOUSE if request.method == "GET" else Can.MANAGE_WAREHOUSE)
    is_s3 = request.POST.get("provider") == "AWS_S3"
    s3 = S3Form(request.POST if is_s3 else None, initial={"provider": "AWS_S3"}, auto_id="s3_%s")
    public = StorageForm(
        request.POST if request.method == "POST" and not is_s3 else None, initial={"provider": "PUBLIC"}
    )
    form = s3 if is_s3 else public
    if request.method == "POST" and form.is_valid():
        try:
            method = methods.create(organization=organization, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"{method.name} is added. Validate it to see whether it works.")
            return redirect("warehouse:storages", organization.slug)
    context = {"rows": organization.storage_methods.order_by("pk")[:200], "s3": s3, "public": public, "tab": "storage"}
    return render(request, "warehouse/storages.html", context, status=422 if form.errors else 200)


@require_POST
def validate(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    method = get_object_or_404(organization.storage_methods, pk=pk)
    return render(request, "warehouse/_checks.html", {"method": method, "checks": methods.validate(method)})


@require_POST
def rotate(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    method = get_object_or_404(organization.storage_methods.filter(provider="AWS_S3"), pk=pk)
    form = KeysForm(request.POST)
    if form.is_valid():
        methods.rotate(method=method, by=request.user, **form.cleaned_data)
        messages.success(request, f"{method.name} uses the new keys from now on.")
    else:
        messages.error(request, f"The keys were kept as they are. {sentences(form)}")
    return redirect("warehouse:storages", organization.slug)


@require_POST
def delete(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_WAREHOUSE)
    method = get_object_or_404(organization.storage_methods, pk=pk)
    try:
        methods.delete(method=method, by=request.user)
    except Conflict as conflict:
        messages.error(request, f"{method.name} is kept. {conflict.message}")
    else:
        messages.success(request, f"{method.name} is deleted.")
    return redirect("warehouse:storages", organization.slug)


@require_GET
def guide(request: HtmxRequest, org: str) -> HttpResponse:
    """How to make a bucket, a policy and CORS, with what to paste."""
    enter(request, org, Can.SEE_WAREHOUSE)
    bucket = request.GET.get("bucket", "").strip() or "your-bucket"
    context = {"bucket": bucket, "policy": _pretty(_policy(bucket)), "cors": _pretty(_cors()), "tab": "storage"}
    return render(request, "warehouse/guide.html", context)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2)


def _policy(bucket: str) -> dict[str, object]:
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Sid": "WinnowReads", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"},
        {"Sid": "WinnowLists", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _cors() -> list[dict[str, object]]:
    rule = {"AllowedHeaders": ["*"], "AllowedMethods": ["GET"], "AllowedOrigins": [settings.SITE_URL]}
    return [{**rule, "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3000}]
