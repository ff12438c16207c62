"""What the workers do for projects: make their tasks, add new ones, remove everything."""

from __future__ import annotations

from typing import Any

from apps.common.models import Run, RunStatus
from apps.common.runs import Handle
from apps.labeling.feeding import feed
from apps.labeling.models import Task
from apps.projects.models import Project

REMOVED_AT_ONCE = 2000


def _project(run: Run) -> Project:
    return Project.objects.get(pk=run.target or 0)


def create(handle: Handle) -> dict[str, Any]:
    return {"made": feed(handle, _project(handle.run))}


def creation_ended(run: Run) -> None:
    """A project is ready when all its tasks are there; a failed creation can be tried again."""
    status = Project.Status.READY if run.status == RunStatus.DONE else Project.Status.FAILED
    Project.objects.filter(pk=run.target or 0, status=Project.Status.CREATING).update(status=status)


def creation_retried(run: Run) -> None:
    Project.objects.filter(pk=run.target or 0, status=Project.Status.FAILED).update(status=Project.Status.CREATING)


def add(handle: Handle) -> dict[str, Any]:
    return {"made": feed(handle, _project(handle.run))}


def delete(handle: Handle) -> dict[str, Any]:
    project = Project.objects.filter(pk=handle.run.target or 0).first()
    if project is None:
        return {"removed": 0}
    tasks = Task.objects.filter(project=project)
    total, removed = tasks.count(), 0
    handle.progress(0, total, "removing tasks")
    while keys := list(tasks.order_by("pk").values_list("pk", flat=True)[:REMOVED_AT_ONCE]):
        with handle.guard():
            Task.objects.filter(pk__in=keys).delete()
        removed += len(keys)
        handle.progress(removed, max(total, removed))
    with handle.guard():
        project.delete()
    return {"removed": removed}
