"""What the labeling page is told: the stage it works in, and a task with everything the editor needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from apps.accounts.models import Organization, User
from apps.labeling import selection
from apps.labeling.models import Comment, Task, TaskEvent, TaskState
from apps.projects.models import Stage
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy

PALETTE = 20
REVIEW = "expert-review"
HELD = (TaskState.ASSIGNED, TaskState.IN_PROGRESS)


def page_data(organization: Organization, stage: Stage, user: User) -> dict[str, Any]:
    project = stage.project
    where = [organization.slug, project.uid, stage.name]
    verbs = ("next", "recent", "renew", "release", "prefs", "who")
    urls = {verb: reverse(f"labeling:workspace-{verb}", args=where) for verb in verbs}
    login = reverse("account_login")
    return {
        "user": {"id": user.pk, "email": user.email},
        "project": str(project.uid),
        "review": stage.brick == REVIEW,
        "readonly": stage.brick == REVIEW and not stage.config.get("allow_edit", True),
        "undecided": project.undecided,
        "slider": project.slider_default,
        "prefs": user.preferences.get("workspace", {}),
        "classes": _classes(taxonomy_of(stage)),
        "urls": urls | {"login": login, "elsewhere": f"{login}?next={reverse('accounts:resumed')}"},
    }


def taxonomy_of(stage: Stage) -> Taxonomy | None:
    """The stage's own taxonomy, else the one along its pipeline (a review stage names none)."""
    if stage.taxonomy_id:
        return stage.taxonomy
    others = Stage.objects.filter(project=stage.project_id, taxonomy__isnull=False).select_related("taxonomy")
    first = others.first()
    return first.taxonomy if first else None


def _classes(taxonomy: Taxonomy | None) -> list[dict[str, Any]]:
    entries = taxonomies.palette(taxonomy) if taxonomy else []
    return [
        {
            "id": entry["id"],
            "name": entry["name"],
            "path": " / ".join(entry["path"]),
            "paint": f"c{entry['color'] % PALETTE}",
            "repeat": entry["id"] >= PALETTE,
            "description": entry["description"],
        }
        for entry in entries
    ]


def brief(task: Task, organization: Organization, stage: Stage) -> dict[str, Any]:
    """A task in a list."""
    point = task.datapoint
    where = [organization.slug, point.uid]
    image = reverse("warehouse:datapoint-image", args=where)
    return {
        "id": str(task.uid),
        "name": point.name,
        "url": reverse("labeling:workspace-task", args=[organization.slug, stage.project.uid, stage.name, task.uid]),
        "image": image,
        "thumbnail": reverse("warehouse:datapoint-thumbnail", args=where) if point.thumbnail else image,
        "width": point.width,
        "height": point.height,
    }


def full(task: Task, organization: Organization, stage: Stage, user: User) -> dict[str, Any]:
    """A task to open: what the editor shows and may do. Nothing in it tells an audit from another task."""
    opened = selection.opening(task, user)
    mine = task.stage_id == stage.pk and task.state in HELD and task.assignee_id == user.pk
    return brief(task, organization, stage) | {
        "labels": opened.labels if mine else _said(task),
        "prelabels": opened.prelabels,
        "revision": opened.revision,
        "seconds": opened.seconds,
        "state": task.state,
        "note": _sent_back(task),
        "comments": Comment.objects.filter(task=task, resolved_at=None).count(),
        "open": mine,
    }


def held(stage: Stage, user: User, ids: Sequence[UUID]) -> list[str]:
    """Those of the tasks that are still the member's."""
    mine = Task.objects.filter(uid__in=ids, stage=stage, assignee=user, state__in=HELD)
    return [str(uid) for uid in mine.values_list("uid", flat=True)]


def _said(task: Task) -> list[dict[str, Any]] | None:
    """Of a task that is somebody else's now: what has been said about it."""
    said: list[dict[str, Any]] | None = task.annotation.labels if task.annotation else None
    return said


def _sent_back(task: Task) -> str:
    """What a reviewer wrote, while it is the last thing that happened to the task."""
    event = TaskEvent.objects.filter(task=task, verb__in=("rejected", "submitted", "resolved")).order_by("-id").first()
    return str(event.detail.get("comment", "")) if event and event.verb == "rejected" else ""


def comments(task: Task) -> list[dict[str, Any]]:
    rows = Comment.objects.filter(task=task).select_related("author").order_by("id")
    return [
        {
            "id": row.pk,
            "author": str(row.author) if row.author else "A former member",
            "at": date_format(timezone.localtime(row.at), "j M Y, H:i"),
            "text": row.text,
            "label_id": row.label_id,
            "resolved": row.resolved_at is not None,
        }
        for row in rows
    ]
