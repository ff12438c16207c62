"""Requests with an idempotency key in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.api.models import IdempotentRequest
from apps.common.admin import ReadOnly


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnly, admin.ModelAdmin[IdempotentRequest]):
    list_display = ("api_key", "key", "status", "content_type", "at")
    list_select_related = ("api_key",)
    search_fields = ("=key",)
    ordering = ("-pk",)
    exclude = ("body",)  # an answer may hold a key that is shown once
    show_full_result_count = False
