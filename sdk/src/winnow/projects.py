"""Projects and their stages: the active-learning stage, labeling, remote labeling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from winnow.errors import WinnowError
from winnow.learning import ExternalLearning
from winnow.rows import Rows
from winnow.runs import Run
from winnow.transport import Transport

LEARNING_BRICK = "brightics-aia-autolabel"
# Stands for a run that was over before its number arrived.
REMOVED = {
    "uid": "", "kind": "project-delete", "status": "done", "phase": "",
    "done": 0, "total": 0, "error": "", "result": {},
}  # fmt: skip


class Project:
    """A pipeline and everything on its way through it."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.data = data
        self.id: str = data["id"]
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

    def tasks(self, *, stage: str | None = None, state: str | None = None) -> Rows:
        """Tasks, of one stage or state if asked for, fetched as they are walked through."""
        return Rows(self._transport, f"{self._path}/tasks", stage=stage, state=state)

    @property
    def active_learning(self) -> ActiveLearning:
        return ActiveLearning(self._transport, self._organization, self._stage_path(LEARNING_BRICK))

    @property
    def learning(self) -> ExternalLearning:
        """The door for a detector of one's own."""
        return ExternalLearning(self._transport, self._organization, self._stage_path(LEARNING_BRICK))

    def configure(self, stage: str, **config: Any) -> dict[str, Any]:
        """Other settings for a stage, such as `project.configure("ACTIVE_LEARNING", learner="external")`."""
        return dict(self._transport.patch(f"{self._path}/stages/{stage}", {"config": config}))

    def add_datapoints(self, *, wait: bool = True, progress: bool = True) -> Run:
        """Make tasks of what the dataset has gained since."""
        run = Run(self._transport, self._organization, self._transport.post(f"{self._path}/datapoints"))
        return run.wait(progress=progress) if wait else run

    def labeling(self, stage: str = "LABEL") -> LabelingStage:
        return LabelingStage(self._transport, self._organization, f"{self._path}/stages/{stage}")

    def delete(self) -> Run:
        """Remove it with its tasks; what it has written to its labelset stays there."""
        return Run(self._transport, self._organization, self._transport.delete(self._path) or REMOVED)

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

    def running(self) -> Run | None:
        """The cycle or flush that holds the stage, to be waited for or canceled."""
        data = self.summary()["running"]
        return Run(self._transport, self._organization, data) if data else None

    def train(self, *, wait: bool = False, again: bool = False, progress: bool = True) -> Run:
        """Train, calibrate, predict the queue, reorder it; `again` although nothing was labeled since."""
        return self._run(f"{self._path}/cycles", {"again": again}, wait, progress)

    def flush(self, threshold: float = 0.0, *, wait: bool = True, progress: bool = True) -> Run:
        """Send human labels, and predictions at or above the threshold, to the labelset."""
        return self._run(f"{self._path}/flushes", {"threshold": threshold}, wait, progress)

    def preview(self, threshold: float = 0.0) -> dict[str, Any]:
        """What would leave at a threshold: how many, their expected and measured agreement, the least sure of them."""
        return dict(self._transport.get(f"{self._path}/flushes/preview", threshold=threshold))

    def accept(self, threshold: float, *, wait: bool = True, progress: bool = True) -> Run:
        """Send predictions at or above the threshold to the labelset, and nothing that people labeled."""
        return self._run(f"{self._path}/flushes/accept", {"threshold": threshold}, wait, progress)

    def revert(self, flush: Run, *, wait: bool = True, progress: bool = True) -> Run:
        """Take back the auto-labels of a flush or an acceptance; images worked on since stay where they are."""
        return self._run(f"{self._path}/flushes/{flush.data['uid']}/revert", {}, wait, progress)

    def recall(self, batch: int) -> int:
        """The unlabeled rest of a batch returns to the queue; how many images that are."""
        return int(self._transport.post(f"{self._path}/batches/{batch}/recall")["recalled"])

    def queue(self) -> Rows:
        """The queue in the order in which it is sent."""
        return Rows(self._transport, f"{self._path}/queue")

    def cancel(self) -> Run:
        """Stop the cycle or flush that holds the stage."""
        return Run(self._transport, self._organization, self._transport.post(f"{self._path}/cancel"))

    def model(self, cycle: int, to: Path | str) -> Path:
        """The ONNX file of a cycle, written to a file of this machine."""
        file = Path(to)
        file.unlink(missing_ok=True)
        self._transport.download(f"{self._path}/cycles/{cycle}/model", file)
        return file

    def history(self) -> list[dict[str, Any]]:
        """One row a cycle: percent labeled, mean confidence, measured agreement with its interval."""
        return list(self._transport.pages(f"{self._path}/cycles"))

    def _run(self, path: str, body: dict[str, Any], wait: bool, progress: bool) -> Run:
        run = Run(self._transport, self._organization, self._transport.post(path, body))
        return run.wait(progress=progress) if wait else run


class LabelingStage:
    """A stage in which people work, for tools of their own: tasks are leased to the key's user."""

    def __init__(self, transport: Transport, organization: str, stage: str) -> None:
        self._transport = transport
        self._organization = organization
        self._path = stage

    def next_tasks(self, count: int = 5) -> list[dict[str, Any]]:
        """The user's next tasks: ids, image URLs, `labels` to begin with, `revision`."""
        return list(self._transport.post(f"{self._path}/tasks/next", {"count": count})["items"])

    def save(self, task: dict[str, Any], labels: Sequence[dict[str, Any]], seconds: float = 0.0) -> dict[str, Any]:
        """Keep unfinished work; raises Conflict when the task was changed elsewhere since it was read."""
        return self._say("save", task, labels, seconds)

    def submit(
        self,
        task: dict[str, Any],
        labels: Sequence[dict[str, Any]],
        seconds: float = 0.0,
        *,
        undecided: str | None = None,
    ) -> dict[str, Any]:
        """Done: the task goes on. A pre-label among `labels` that is as it came is undecided: it is accepted or
        dropped as `undecided` ("accept" or "drop") or else the project says, or refused where the project asks.
        """
        return self._say("submit", task, labels, seconds, undecided=undecided)

    def comment(self, task: dict[str, Any], text: str) -> dict[str, Any]:
        return dict(self._transport.post(f"{self._organization}/tasks/{task['taskId']}/comments", {"text": text}))

    def _say(
        self, verb: str, task: dict[str, Any], labels: Sequence[dict[str, Any]], seconds: float, **more: Any
    ) -> dict[str, Any]:
        body = {"labels": list(labels), "revision": task["revision"], "seconds": seconds, **more}
        return dict(self._transport.post(f"{self._organization}/tasks/{task['taskId']}/{verb}", body))


class RemoteStage:
    """A stage in which programs label."""

    def __init__(self, transport: Transport, organization: str, stage: str) -> None:
        self._transport = transport
        self._organization = organization
        self._path = stage

    def tasks(self) -> Rows:
        """Tasks that wait for a program: ids, names, image URLs and the labels they carry."""
        return Rows(self._transport, f"{self._path}/remote/tasks")

    def put_task(self, task_id: str, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Label a task: `{"category": class id, "bbox": [x, y, w, h]}`, normalized, or in the exchange form."""
        return dict(self._transport.post(f"{self._organization}/tasks/{task_id}/remote", {"labels": list(labels)}))
