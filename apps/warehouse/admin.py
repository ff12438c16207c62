"""The warehouse in the admin, to look at: files, counts and the record of changes hang on its rows."""

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.warehouse import models


@admin.register(models.StorageMethod)
class StorageMethodAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "provider", "organization", "bucket", "created_at"]
    list_select_related = ["organization"]
    exclude = ["access_key", "secret_key"]


@admin.register(models.Dataset)
class DatasetAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "organization", "created_by", "created_at"]
    list_select_related = ["organization", "created_by"]
    search_fields = ["name"]


@admin.register(models.Datapoint)
class DatapointAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "dataset", "storage", "width", "height", "error"]
    list_select_related = ["dataset", "storage"]
    search_fields = ["name", "uid"]
    show_full_result_count = False


@admin.register(models.Import)
class ImportAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["id", "dataset", "source", "created", "skipped", "failed", "created_at"]
    list_select_related = ["dataset"]


@admin.register(models.ImportFailure)
class ImportFailureAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "reason", "import_row"]
    show_full_result_count = False


@admin.register(models.Labelset)
class LabelsetAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "organization", "taxonomy", "created_at"]
    list_select_related = ["organization", "taxonomy"]
    search_fields = ["name"]


@admin.register(models.LabelsetEntry)
class LabelsetEntryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["datapoint", "labelset", "source", "confidence", "cycle", "box_count"]
    list_select_related = ["datapoint", "labelset"]
    show_full_result_count = False


@admin.register(models.LabelsetDeletion)
class LabelsetDeletionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "uid", "labelset"]
    list_select_related = ["labelset"]
    search_fields = ["=uid"]
    show_full_result_count = False
