"""Whatever people do and whatever breaks off: no task is lost or doubled, and every label knows where it came from."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.db.models import Count

from apps.autolabel import services, state
from apps.autolabel.models import Prediction, StageRun
from apps.common import jobs, runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus, Shard
from apps.detector.types import Trained
from apps.labeling.models import Annotation, Batch, Task
from apps.warehouse.models import LabelsetEntry
from tests.autolabel.loop import Loop

STEPS = 30


class Killed(BaseException):
    """The job is gone between two of its writes, as after SIGKILL."""


@dataclass
class Work:
    """Random moves of one seed."""

    loop: Loop
    model: Trained
    chance: random.Random
    monkeypatch: pytest.MonkeyPatch

    def send(self) -> None:
        self.loop.send(self.chance.randint(1, 8))

    def label(self) -> None:
        self.loop.label(self.chance.randint(1, 8))

    def recall(self) -> None:
        batch = Batch.objects.order_by("?").first()
        if batch:
            services.recall(batch, by=self.loop.user)

    def check(self) -> None:
        services.check_first(self.loop.stage(), threshold=0.2, size=2, by=self.loop.user)

    def cycle(self) -> None:
        cycle = services.trigger_cycle(self.loop.stage(), by=self.loop.user, again=True)
        self.loop.use(self.model, cycle)
        self.drive(cycle.run_id or 0)

    def flush(self) -> None:
        run = services.flush(self.loop.stage(), threshold=self.chance.choice([0.0, 0.3, 0.6]), by=self.loop.user)
        self.drive(run.pk)

    def score(self) -> None:
        for run in Run.objects.filter(kind="score", status="queued"):
            self.drive(run.pk)

    def drive(self, run_id: int) -> None:
        """Every job of the run, now and then killed and queued again, now and then canceled for good."""
        while Run.objects.filter(pk=run_id, status__in=("queued", "running")).exists():
            if self.chance.random() < 0.1:
                runs.cancel(Run.objects.get(pk=run_id), self.loop.user)
                return
            self.attempt(run_id)

    def attempt(self, run_id: int) -> None:
        shard = Shard.objects.filter(run=run_id, status="queued").first()
        try:
            with self.monkeypatch.context() as patch:
                if self.chance.random() < 0.4:
                    self.arm(patch)
                if shard:
                    jobs.execute_shard(shard.pk)
                else:
                    jobs.execute(run_id)
        except Killed:
            found: Run | Shard = shard or Run.objects.get(pk=run_id)
            found.refresh_from_db()
            if found.status == RunStatus.DONE:  # killed while it closed the run
                found = Run.objects.get(pk=run_id)
            type(found).objects.filter(pk=found.pk).update(requeues=0)
            found.requeues = 0
            runs.requeue(found, "The worker stopped answering.")

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        """The next job dies at one of its first reports."""
        left = [self.chance.randint(0, 3)]

        def dying(original: Callable[..., None]) -> Callable[..., None]:
            def progress(*arguments: object, **named: object) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                original(*arguments, **named)

            return progress

        for kind in (runs.Handle, runs.ShardHandle):
            patch.setattr(kind, "progress", dying(kind.progress))


def holds(loop: Loop) -> None:
    """What must be true after every move."""
    tasks = Task.objects.filter(project=loop.project)
    assert tasks.count() == 40
    assert not tasks.filter(stage__name="OUTPUT").exclude(state="done").exists()
    assert not tasks.filter(stage__name="LABEL", batch=None).exists()
    assert not tasks.filter(is_audit=True, is_held_out=False).exists()
    assert not Prediction.objects.values("cycle", "task").annotate(n=Count("id")).filter(n__gt=1).exists()
    assert StageRun.objects.filter(is_active=True, run__status__in=(RunStatus.DONE, RunStatus.FAILED)).count() == 0
    assert state.active_run(loop.stage()) is None
    entries = {entry.task_uid: entry for entry in LabelsetEntry.objects.filter(labelset=loop.labelset)}
    out = tasks.filter(stage__name="OUTPUT").select_related("annotation")
    assert set(entries) == {task.uid for task in out}
    for task in out:
        entry, said = entries[task.uid], task.annotation
        assert said is not None and entry.labels == said.labels
        assert (entry.source, entry.confidence, entry.cycle) == (said.source, said.confidence, said.cycle)
        assert (said.source == "model") == (said.confidence is not None) == (task.in_training_set is False)
    authors = Counter(Annotation.objects.filter(source="model").values_list("task", flat=True))
    assert max(authors.values(), default=0) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_random_work_loses_and_doubles_nothing(
    loop: Loop, model: Trained, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    work = Work(loop, model, random.Random(seed), monkeypatch)
    loop.send(20)
    moves = [work.send, work.label, work.label, work.recall, work.cycle, work.flush, work.score, work.check]
    done: Counter[str] = Counter()
    for _ in range(STEPS):
        move = work.chance.choice(moves)
        try:
            move()
            done[move.__name__] += 1
        except Conflict:
            done["refused"] += 1
        holds(loop)
    assert done["cycle"] + done["flush"] > 0
    loop.label()
    with contextlib.suppress(Conflict):  # everything may have left already
        jobs.execute(services.flush(loop.stage(), by=loop.user).pk)
    holds(loop)
    assert loop.count("ACTIVE_LEARNING", "done") == 0
