"""Projects and their stages: the active-learning stage, remote labeling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from winnow.errors import WinnowError
from winnow.runs import Run
from winnow.transport import Transport

LEARNING_BRICK = "brightics-aia-autolabel"


class Project:
    """A pipeline and everything on its way through it."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.data = data
        self.id: int = data["id"]
        self.name: str = data["name"]
        self._path = f"{organization}/projects/{self.id}"

    @property
    def status(self) -> str:
        return str(self.data["status"])

    def refresh(self) -> Project:
        self.data = self._transport.get(self._path)
        return self

    def wait(self, *, progress: bool = True) -> Project:
        """Return when its tasks have been made."""
        if self.data.get("run"):
            Run(self._transport, self._organization, self.data["run"]).wait(progress=progress)
        return self.refresh()

    def stages(self) -> list[dict[str, Any]]:
        """Name, brick, configuration and the number of tasks of each stage."""
        return list(self._transport.pages(f"{self._path}/stages"))

    def tasks(self, *, stage: str | None = None, state: str | None = None) -> Iterator[dict[str, Any]]:
        return self._transport.pages(f"{self._path}/tasks", stage=stage, state=state)

    @property
    def active_learning(self) -> ActiveLearning:
        return ActiveLearning(self._transport, self._organization, self._stage_path(LEARNING_BRICK))

    def remote(self, stage: str) -> RemoteStage:
        return RemoteStage(self._transport, self._organization, f"{self._path}/stages/{stage}")

    def _stage_path(self, brick: str) -> str:
        for stage in self.stages():
            if stage["brick"] == brick:
                return f"{self._path}/stages/{stage['name']}"
        raise WinnowError(f"{self.name} has no stage of brick {brick}.")

    def __repr__(self) -> str:
        return f"<winnow.Project {self.name} {self.status}>"


class ActiveLearning:
    """The four actions of the active-learning stage, its figures and its history."""

    def __init__(self, transport: Transport, organization: str, stage: str) -> None:
        self._transport = transport
        self._organization = organization
        self._path = f"{stage}/learning"

    def summary(self) -> dict[str, Any]:
        return dict(self._transport.get(self._path))

    def send_batch(self, size: int) -> dict[str, Any]:
        """Send the least sure `size` tasks of the queue, and the audits beside them, to be labeled."""
        return dict(self._transport.post(f"{self._path}/batches", {"size": size}))

    def train(self, *, wait: bool = False, progress: bool = True) -> Run:
        """Train, calibrate, predict the queue, reorder it."""
        return self._run(f"{self._path}/cycles", {}, wait, progress)

    def flush(self, threshold: float = 0.0, *, wait: bool = True, progress: bool = True) -> Run:
        """Send human labels, and predictions at or above the threshold, to the labelset."""
        return self._run(f"{self._path}/flushes", {"threshold": threshold}, wait, progress)

    def history(self) -> list[dict[str, Any]]:
        """One row a cycle: percent labeled, mean confidence, measured agreement with its interval."""
        return list(self._transport.pages(f"{self._path}/cycles"))

    def _run(self, path: str, body: dict[str, Any], wait: bool, progress: bool) -> Run:
        run = Run(self._transport, self._organization, self._transport.post(path, body))
        return run.wait(progress=progress) if wait else run


class RemoteStage:
    """A stage in which programs label."""

    def __init__(self, transport: Transport, organization: str, stage: str) -> None:
        self._transport = transport
        self._organization = organization
        self._path = stage

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Tasks that wait for a program: ids, names, image URLs and the labels they carry."""
        return self._transport.pages(f"{self._path}/remote/tasks")

    def put_task(self, task_id: str, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Label a task, in Winnow's form: `{"category": class id, "bbox": [x, y, w, h]}`, normalized."""
        return dict(self._transport.post(f"{self._organization}/tasks/{task_id}/remote", {"labels": list(labels)}))
