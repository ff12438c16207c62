"""Taxonomies in the admin."""

from django.contrib import admin

from apps.taxonomies.models import Category, Taxonomy


@admin.register(Taxonomy)
class TaxonomyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "version", "organization", "frozen_at", "created_at"]
    list_select_related = ["organization"]
    search_fields = ["name"]
    raw_id_fields = ["organization"]


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "class_id", "taxonomy", "depth", "color"]
    list_select_related = ["taxonomy"]
    search_fields = ["name"]
    raw_id_fields = ["taxonomy", "parent"]
