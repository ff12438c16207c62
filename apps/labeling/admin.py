"""Tasks and all that was said about them in the admin: to look at; only transitions and services write them."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin

from apps.common.admin import ReadOnly
from apps.labeling.models import Annotation, Batch, Comment, Draft, Prelabel, Task, TaskEvent


@admin.register(Batch)
class BatchAdmin(ReadOnly, admin.ModelAdmin[Batch]):
    list_display = ("stage", "number", "size", "audits", "by", "at", "recalled_at")
    list_select_related = ("stage", "by")
    ordering = ("-id",)


@admin.register(Task)
class TaskAdmin(ReadOnly, admin.ModelAdmin[Task]):
    list_display = ("datapoint", "project", "stage", "state", "assignee", "revision", "is_held_out")
    list_select_related = ("datapoint", "project", "stage", "assignee")
    search_fields = ("=uid",)
    ordering = ("-id",)
    show_full_result_count = False


class OfTask(ReadOnly):
    """Rows of a task, found by the id that its page shows."""

    search_fields: ClassVar[Sequence[str]] = ("=task__uid",)
    ordering: ClassVar[Sequence[str] | None] = ("-id",)
    show_full_result_count = False


@admin.register(Annotation)
class AnnotationAdmin(OfTask, admin.ModelAdmin[Annotation]):
    list_display = ("id", "task", "stage", "author", "source", "seconds", "at")
    list_select_related = ("task", "stage", "author")


@admin.register(Draft)
class DraftAdmin(OfTask, admin.ModelAdmin[Draft]):
    list_display = ("id", "task", "user", "seconds", "updated_at")
    list_select_related = ("task", "user")


@admin.register(Prelabel)
class PrelabelAdmin(OfTask, admin.ModelAdmin[Prelabel]):
    list_display = ("id", "task", "cycle", "confidence", "at")
    list_select_related = ("task",)


@admin.register(TaskEvent)
class TaskEventAdmin(OfTask, admin.ModelAdmin[TaskEvent]):
    list_display = ("id", "task", "verb", "actor", "from_stage", "to_stage", "at")
    list_select_related = ("task", "actor")


@admin.register(Comment)
class CommentAdmin(OfTask, admin.ModelAdmin[Comment]):
    list_display = ("id", "task", "author", "text", "resolved_at", "at")
    list_select_related = ("task", "author")
