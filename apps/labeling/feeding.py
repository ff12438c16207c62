"""Datapoints become tasks: all of them when a project is created, new ones as they come."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef

from apps.common.runs import Handle
from apps.labeling.models import Task
from apps.labeling.transitions import create_labeled_tasks, create_tasks
from apps.projects import services
from apps.projects.models import Project, Stage
from apps.warehouse.models import Datapoint, LabelsetEntry

AT_ONCE = 500
FED = (Project.Status.READY, Project.Status.CREATING)
INPUTS = ("dataset-input", "labelset-input")


def feed(handle: Handle, project: Project) -> int:
    """A task for every datapoint that has none, chunk by chunk; how many were made."""
    inputs = list(Stage.objects.filter(project=project, brick__in=INPUTS))
    total, done, made = sum(map(_size, inputs)), 0, 0
    handle.progress(0, total, "creating tasks")
    for stage in inputs:
        create = create_tasks if stage.brick == "dataset-input" else create_labeled_tasks
        last = 0
        while True:
            with handle.guard():
                chunk = create(stage=stage, after=last)
            if chunk.is_last:
                break
            last, done, made = chunk.last, done + chunk.seen, made + chunk.made
            handle.progress(done, max(total, done))
    return made


def _size(stage: Stage) -> int:
    if stage.brick == "dataset-input":
        return Datapoint.objects.filter(dataset=stage.dataset_id).count()
    return LabelsetEntry.objects.filter(labelset=stage.labelset_id).count()


def datapoints_added(*, dataset_id: int, import_id: int | None = None, **_: Any) -> None:
    """A few new datapoints become tasks at once, many by a run.

    So do those that are not among the newest: an import's pieces commit after uploads that were begun later, and what
    is tried again may have been there for long.
    """
    for stage in Stage.objects.filter(brick="dataset-input", dataset=dataset_id, project__status__in=FED):
        newest = Datapoint.objects.filter(dataset=dataset_id, error="").order_by("-id")
        edge = newest[AT_ONCE : AT_ONCE + 1]
        task = Task.objects.filter(project=stage.project_id, datapoint=OuterRef("pk"))
        row = edge.annotate(known=Exists(task)).values_list("pk", "known").first()
        if row and (not row[1] or _left_behind(stage, import_id, row[0])):
            services.add_new_datapoints(project=stage.project, by=None)
        else:
            create_tasks(stage=stage, after=row[0] if row else 0, size=2 * AT_ONCE)


def _left_behind(stage: Stage, import_id: int | None, edge: int) -> bool:
    """Whether the import has a readable datapoint up to the edge that has no task."""
    task = Task.objects.filter(project=stage.project_id, datapoint=OuterRef("pk"))
    mine = Datapoint.objects.filter(import_row=import_id, pk__lte=edge, error="")
    return import_id is not None and mine.filter(~Exists(task)).exists()
