"""The task list: its filters as a query that is read by key, and what is shown of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from apps.labeling.models import Annotation, Prelabel, Task, TaskEvent
from apps.projects.models import Project
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Datapoint

VERBS = {
    "created": "Task created",
    "assigned": "Assigned",
    "saved": "Saved, not submitted",
    "submitted": "Labeled",
    "labeled": "Labeled by a program",
    "accepted": "Accepted in review",
    "corrected": "Corrected and accepted in review",
    "rejected": "Rejected in review",
    "skipped": "Skipped",
    "problem": "Problem reported",
    "resolved": "Problem resolved",
    "released": "Released",
    "reassigned": "Reserved for a member",
    "reopened": "Submit undone",
    "prioritized": "Priority changed",
    "sent": "Sent to be labeled",
    "recalled": "Recalled to the queue",
    "flushed": "Flushed",
    "reverted": "Auto-label taken back",
    "moved": "Sent to another stage",
}


def tasks_of(project: Project, wanted: Mapping[str, Any]) -> QuerySet[Task]:
    """The project's tasks that the filter lets through, with all that a row shows."""
    rows = Task.objects.filter(project=project).annotate(
        confidence=Coalesce("annotation__confidence", "prelabel__confidence")
    )
    if wanted.get("stage"):
        rows = rows.filter(stage=wanted["stage"])
    if wanted.get("state"):
        rows = rows.filter(state=wanted["state"])
    if wanted.get("assignee"):
        rows = rows.filter(Q(assignee=wanted["assignee"]) | Q(reserved_for=wanted["assignee"]))
    if wanted.get("q"):
        rows = rows.filter(datapoint__name__icontains=wanted["q"])
    if wanted.get("category") is not None:
        rows = rows.filter(annotation__labels__contains=[{"category": wanted["category"]}])
    if wanted.get("low") is not None:
        rows = rows.filter(confidence__gte=wanted["low"])
    if wanted.get("high") is not None:
        rows = rows.filter(confidence__lte=wanted["high"])
    return rows.select_related("datapoint", "stage", "assignee", "reserved_for", "annotation__author")


def history(task: Task) -> list[TaskEvent]:
    """Newest first, each with its words."""
    events = list(TaskEvent.objects.filter(task=task).select_related("actor", "annotation__author").order_by("-id"))
    for event in events:
        event.words = VERBS.get(event.verb, event.verb.capitalize())  # type: ignore[attr-defined]
        event.texts = [text for text in event.detail.values() if isinstance(text, str) and text]  # type: ignore[attr-defined]
    return events


def layers(task: Task, event: TaskEvent | None) -> list[dict[str, Any]]:
    """What is drawn over the image: the labels of an event, else the current ones; and the frozen prediction."""
    said: Annotation | None = event.annotation if event is not None else task.annotation
    palette = palette_of(task.project_id)
    drawn = []
    if said is not None:
        drawn = boxes_on(task.datapoint, said.labels, palette, "predicted" if said.source == "model" else "")
    frozen = Prelabel.objects.filter(task=task).first()
    if frozen is not None:
        drawn += boxes_on(task.datapoint, frozen.labels, palette, "predicted prelabel")
    return drawn


def boxes_on(
    datapoint: Datapoint, labels: Sequence[Mapping[str, Any]], palette: Mapping[int, Any], kind: str = ""
) -> list[dict[str, Any]]:
    """Labels as rectangles in the pixels of the image, each with its category."""
    width, height = datapoint.width or 1000, datapoint.height or 1000
    boxes = []
    for label in labels:
        x, y, w, h = label["bbox"]
        place = {"x": x * width, "y": y * height, "width": w * width, "height": h * height}
        boxes.append(place | {"label": label, "kind": kind, "category": palette.get(label["category"])})
    return boxes


def palette_of(project_id: int) -> dict[int, Any]:
    """The project's categories by class id, as pages draw them."""
    used = Taxonomy.objects.filter(stages__project=project_id).order_by("-version").first()
    return {entry["id"]: entry for entry in taxonomies.palette(used)} if used else {}
