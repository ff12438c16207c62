"""The active-learning stages in the admin, with their four actions, each confirmed first."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.autolabel import services, state
from apps.autolabel.forms import FlushForm, OnceForm, SendForm
from apps.autolabel.models import Cycle, FlushCheck, Learner, LearningStage, Prediction, StageRun, Unreadable
from apps.common.admin import ReadOnly
from apps.common.http import Conflict
from apps.projects.bricks import LEARNING

Act = Callable[[LearningStage, Any, dict[str, Any]], str]


def _send(stage: LearningStage, by: Any, values: dict[str, Any]) -> str:
    batch = services.send_batch(stage, size=values["size"], by=by, key=values["key"])
    return f"batch {batch.number} of {batch.size} images and {batch.audits} audits is sent"


def _trigger(stage: LearningStage, by: Any, values: dict[str, Any]) -> str:
    return f"cycle {services.trigger_cycle(stage, by=by, key=values['key'], again=True).number} is triggered"


def _cancel(stage: LearningStage, by: Any, values: dict[str, Any]) -> str:
    return f"the {services.cancel(stage, by=by).kind} is canceled"


def _flush(stage: LearningStage, by: Any, values: dict[str, Any]) -> str:
    run = services.flush(stage, threshold=values["threshold"], by=by, key=values["key"])
    return f"a flush of {run.total} images has begun"


def _size(stages: QuerySet[LearningStage]) -> dict[str, Any]:
    """What the stages have for a batch; nothing where they differ, so that it is said for all of them."""
    sizes = {state.option(stage, "batch_size") for stage in stages}
    return {"size": sizes.pop()} if len(sizes) == 1 else {}


ABOUT = {
    "send_batch": "The top of the queue goes to be labeled.",
    "trigger_cycle": "A detector trains on what is labeled, predicts the queue and reorders it.",
    "cancel": "A canceled cycle leaves the queue as it is; what a flush has sent already stays in the labelset.",
    "flush_tasks": "What is labeled leaves for the labelset, with it auto-labels of at least this confidence.",
}


@admin.register(LearningStage)
class LearningStageAdmin(admin.ModelAdmin[LearningStage]):
    """Stages are made with their project; here they are only acted upon."""

    list_display = ("name", "project", "organization", "queued", "labeled", "cycle", "running")
    list_select_related = ("project__organization", "learner__current")
    search_fields = ("project__name", "project__organization__name")
    actions = ("send_batch", "trigger_cycle", "cancel", "flush_tasks")
    fields = readonly_fields = ("project", "name", "taxonomy", "config", "routing")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LearningStage]:
        return super().get_queryset(request).filter(brick=LEARNING)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def organization(self, stage: LearningStage) -> str:
        return stage.project.organization.name

    def queued(self, stage: LearningStage) -> int:
        return stage.tasks.filter(state="waiting").count()

    def labeled(self, stage: LearningStage) -> int:
        return stage.project.tasks.filter(in_training_set=True).count()

    def cycle(self, stage: LearningStage) -> str:
        learner = getattr(stage, "learner", None)
        return str(learner.current.number) if learner and learner.current else "none"

    def running(self, stage: LearningStage) -> str:
        run = state.active_run(stage)
        return f"{run.kind}, {run.phase.lower() or run.status}" if run else ""

    @admin.action(description="Send batch", permissions=["change"])
    def send_batch(self, request: HttpRequest, stages: QuerySet[LearningStage]) -> HttpResponse | None:
        return self._confirmed(request, stages, "send_batch", "Send batch", SendForm, _send, _size(stages))

    @admin.action(description="Trigger cycle", permissions=["change"])
    def trigger_cycle(self, request: HttpRequest, stages: QuerySet[LearningStage]) -> HttpResponse | None:
        return self._confirmed(request, stages, "trigger_cycle", "Trigger cycle", OnceForm, _trigger)

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, stages: QuerySet[LearningStage]) -> HttpResponse | None:
        return self._confirmed(request, stages, "cancel", "Cancel the running cycle or flush", OnceForm, _cancel)

    @admin.action(description="Flush tasks", permissions=["change"])
    def flush_tasks(self, request: HttpRequest, stages: QuerySet[LearningStage]) -> HttpResponse | None:
        return self._confirmed(request, stages, "flush_tasks", "Flush tasks", FlushForm, _flush, {"threshold": 0})

    def _confirmed(
        self,
        request: HttpRequest,
        stages: QuerySet[LearningStage],
        action: str,
        title: str,
        form_class: type[OnceForm],
        act: Act,
        initial: dict[str, Any] | None = None,
    ) -> HttpResponse | None:
        """A page that asks, then the act for each stage, which says what came of it."""
        form = form_class(request.POST) if "confirmed" in request.POST else form_class(initial=initial or {})
        if form.is_bound and form.is_valid():
            self._act(request, list(stages), act, form)
            return None
        context = self.admin_site.each_context(request) | {
            "title": title,
            "about": ABOUT[action],
            "stages": stages,
            "action": action,
            "form": form,
            "checkbox": ACTION_CHECKBOX_NAME,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/autolabel/confirm.html", context)

    def _act(self, request: HttpRequest, stages: Sequence[LearningStage], act: Act, form: forms.Form) -> None:
        for stage in stages:
            values = form.cleaned_data | {"key": uuid.uuid5(form.cleaned_data["key"], str(stage.pk))}
            try:
                self.message_user(request, f"{stage.project}: {act(stage, request.user, values)}.", messages.SUCCESS)
            except Conflict as refused:
                self.message_user(request, f"{stage.project}: {refused.message}", messages.WARNING)


@admin.register(Cycle)
class CycleAdmin(ReadOnly, admin.ModelAdmin[Cycle]):
    list_display = ("stage", "number", "run", "labeled", "mean_confidence", "agreement", "agreement_n", "ended_at")
    list_select_related = ("stage", "run")


@admin.register(Learner)
class LearnerAdmin(ReadOnly, admin.ModelAdmin[Learner]):
    list_display = ("stage", "current", "last_decision", "last_decision_at")
    list_select_related = ("stage", "current")


@admin.register(StageRun)
class StageRunAdmin(ReadOnly, admin.ModelAdmin[StageRun]):
    list_display = ("stage", "run", "is_active")
    list_select_related = ("stage", "run")


@admin.register(FlushCheck)
class FlushCheckAdmin(ReadOnly, admin.ModelAdmin[FlushCheck]):
    list_display = ("stage", "cycle", "threshold", "population", "by", "at")
    list_select_related = ("stage", "cycle", "by")


@admin.register(Prediction)
class PredictionAdmin(ReadOnly, admin.ModelAdmin[Prediction]):
    list_display = ("id", "cycle", "task", "confidence", "score", "rank")
    list_select_related = ("cycle", "task")
    search_fields = ("=task__uid",)
    ordering = ("-id",)
    exclude = ("embedding",)
    show_full_result_count = False


@admin.register(Unreadable)
class UnreadableAdmin(ReadOnly, admin.ModelAdmin[Unreadable]):
    list_display = ("id", "cycle", "task", "reason")
    list_select_related = ("cycle", "task")
    search_fields = ("=task__uid",)
    ordering = ("-id",)
