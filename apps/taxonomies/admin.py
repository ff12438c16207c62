"""Taxonomies in the admin, to look at: labels are read by their versions and class ids."""

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.taxonomies.models import Category, Taxonomy


@admin.register(Taxonomy)
class TaxonomyAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "version", "organization", "frozen_at", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["name"]


@admin.register(Category)
class CategoryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "class_id", "taxonomy", "depth", "color"]
    list_select_related = ["taxonomy"]
    search_fields = ["name"]
