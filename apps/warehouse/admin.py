"""The warehouse in the admin."""

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.warehouse import models


@admin.register(models.StorageMethod)
class StorageMethodAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "provider", "organization", "bucket", "created_at"]
    list_select_related = ["organization"]
    raw_id_fields = ["organization"]
    exclude = ["access_key", "secret_key"]


@admin.register(models.Dataset)
class DatasetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "organization", "created_by", "created_at"]
    list_select_related = ["organization", "created_by"]
    search_fields = ["name"]
    raw_id_fields = ["organization", "created_by"]


@admin.register(models.Datapoint)
class DatapointAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "dataset", "storage", "width", "height", "error"]
    list_select_related = ["dataset", "storage"]
    search_fields = ["name", "uid"]
    raw_id_fields = ["dataset", "storage", "import_row"]
    show_full_result_count = False


@admin.register(models.Import)
class ImportAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["id", "dataset", "source", "created", "skipped", "failed", "created_at"]
    list_select_related = ["dataset"]
    raw_id_fields = ["run", "dataset", "storage", "created_by"]


@admin.register(models.ImportFailure)
class ImportFailureAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "reason", "import_row"]
    raw_id_fields = ["import_row"]
    show_full_result_count = False


@admin.register(models.Labelset)
class LabelsetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "organization", "taxonomy", "created_at"]
    list_select_related = ["organization", "taxonomy"]
    search_fields = ["name"]
    raw_id_fields = ["organization", "taxonomy", "created_by"]


@admin.register(models.LabelsetEntry)
class LabelsetEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["datapoint", "labelset", "source", "confidence", "cycle", "box_count"]
    list_select_related = ["datapoint", "labelset"]
    raw_id_fields = ["labelset", "datapoint", "author"]
    show_full_result_count = False


@admin.register(models.LabelsetDeletion)
class LabelsetDeletionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_select_related = ["labelset"]
    show_full_result_count = False
