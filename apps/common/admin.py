"""Runs in the admin: to look at, to cancel and to try again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, Shard

if TYPE_CHECKING:
    from apps.accounts.models import User


class ReadOnly:
    """Nobody writes these rows by hand."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class ShardInline(ReadOnly, admin.TabularInline[Shard, Run]):
    model = Shard
    fields = ("number", "status", "attempt", "requeues", "done", "size", "heartbeat_at")
    ordering = ("number",)
    extra = 0


@admin.register(Run)
class RunAdmin(ReadOnly, admin.ModelAdmin[Run]):
    list_display = (
        "id",
        "kind",
        "organization",
        "status",
        "phase",
        "done",
        "total",
        "attempt",
        "created_at",
        "ended_at",
    )
    list_filter = ("status", "kind")
    list_select_related = ("organization",)
    search_fields = ("=uid", "=id", "error")
    ordering = ("-id",)
    show_full_result_count = False
    inlines = (ShardInline,)
    actions = ("cancel_runs", "retry_runs")

    @admin.action(description="Cancel the selected runs", permissions=["control"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, runs.cancel, "canceled")

    @admin.action(description="Try the selected runs again", permissions=["control"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, runs.retry, "queued")

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("common.change_run")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Run], verb: Callable[[Run, User | None], Run], done: str
    ) -> None:
        """Those that can be; the others are named with the reason."""
        by: User = request.user  # type: ignore[assignment]
        count = 0
        for run in queryset.order_by("pk"):
            try:
                verb(run, by)
                count += 1
            except Conflict as conflict:
                self.message_user(request, f"{run}: {conflict.message}", messages.WARNING)
        self.message_user(request, f"{count} {done}.", messages.SUCCESS if count else messages.INFO)


@admin.register(Shard)
class ShardAdmin(ReadOnly, admin.ModelAdmin[Shard]):
    list_display = ("run", "number", "status", "attempt", "requeues", "done", "size", "heartbeat_at")
    list_filter = ("status",)
    list_select_related = ("run",)
    ordering = ("-pk",)
    show_full_result_count = False
