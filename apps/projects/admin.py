"""Projects and their stages in the admin: to look at; only the services write them."""

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.projects.models import Project, Stage


@admin.register(Project)
class ProjectAdmin(ReadOnly, admin.ModelAdmin[Project]):
    list_display = ("name", "organization", "status", "created_by", "created_at")
    list_filter = ("status",)
    list_select_related = ("organization", "created_by")
    search_fields = ("name", "organization__name")
    ordering = ("-id",)


@admin.register(Stage)
class StageAdmin(ReadOnly, admin.ModelAdmin[Stage]):
    list_display = ("name", "project", "brick", "dataset", "labelset", "taxonomy")
    list_filter = ("brick",)
    list_select_related = ("project", "dataset", "labelset", "taxonomy")
    search_fields = ("name", "project__name")
    ordering = ("-project_id", "position")
