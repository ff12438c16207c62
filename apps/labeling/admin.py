"""Tasks and their history in the admin, to look at: only `transitions` and the workspace write these rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.labeling.models import Annotation, Batch, Comment, Draft, Prelabel, Task, TaskEvent


class Rows(ReadOnly, admin.ModelAdmin[Any]):
    """Tables of millions: newest first, found by exact ids, and no count beside a search's."""

    ordering = ("-pk",)
    show_full_result_count = False
    search_fields = ("=task__uid",)


@admin.register(Task)
class TaskAdmin(Rows):
    list_display = ("uid", "project", "stage", "state", "datapoint", "assignee", "leased_until", "is_held_out")
    list_select_related = ("project", "stage", "datapoint", "assignee")
    list_filter = ("state",)
    search_fields = ("=uid",)


@admin.register(Batch)
class BatchAdmin(Rows):
    list_display = ("stage", "number", "size", "audits", "by", "at", "recalled_at")
    list_select_related = ("stage", "by")
    search_fields = ("stage__project__name",)


@admin.register(Annotation)
class AnnotationAdmin(Rows):
    list_display = ("task", "stage", "author", "source", "seconds", "confidence", "cycle", "at")
    list_select_related = ("task", "stage", "author")


@admin.register(Draft)
class DraftAdmin(Rows):
    list_display = ("task", "user", "seconds", "updated_at")
    list_select_related = ("task", "user")


@admin.register(Prelabel)
class PrelabelAdmin(Rows):
    list_display = ("task", "confidence", "cycle", "at")
    list_select_related = ("task",)


@admin.register(TaskEvent)
class TaskEventAdmin(Rows):
    list_display = ("task", "verb", "actor", "from_stage", "to_stage", "at")
    list_select_related = ("task", "actor")


@admin.register(Comment)
class CommentAdmin(Rows):
    list_display = ("task", "author", "stage_name", "text", "resolved_at", "at")
    list_select_related = ("task", "author")
