"""Tasks pushed through a whole project in random order from several hands at once: none lost, none doubled.

Submits, saves, skips, problems, releases, reviews, sends, recalls, cycles, flushes, flushes that are taken back and
flushes whose worker is gone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Organization, User
from apps.autolabel import acceptance, services
from apps.autolabel.models import Cycle, Prediction, StageRun
from apps.autolabel.state import learner_of
from apps.common import runs
from apps.common.http import Conflict
from apps.common.jobs import execute
from apps.common.models import ACTIVE, Run, RunStatus
from apps.labeling import transitions
from apps.labeling.models import Annotation, Batch, Task, TaskEvent, TaskState
from apps.labeling.selection import opening, take_next
from apps.projects.bricks import BRICKS
from apps.warehouse.models import LabelsetEntry
from tests.labeling.factory import Plant, add_datapoints, make_box, make_plant
from tests.labeling.test_selection import at_once, crowd

TASKS = 120
STEPS = 30
HANDS = 4


class Hand:
    """Somebody, or a machine, who does one thing after the other, whatever comes to mind."""

    def __init__(self, plant: Plant, user: User, seed: int) -> None:
        self.plant = plant
        self.user = user
        self.dice = random.Random(seed)
        self.learning = plant.stage("ACTIVE_LEARNING")
        self.label = plant.stage("LABEL")
        self.review = plant.stage("REVIEW")

    def work(self) -> Counter[str]:
        deeds: list[tuple[Callable[[], object], int]] = [
            (self.submit, 10),
            (self.check, 10),
            (self.save, 2),
            (self.skip, 2),
            (self.trouble, 1),
            (self.undo, 2),
            (self.release, 1),
            (self.send, 3),
            (self.recall, 1),
            (self.cycle, 1),
            (self.flush, 2),
            (self.take_back, 2),
            (self.lose_a_worker, 1),
            (self.feed, 1),
        ]
        done: Counter[str] = Counter()
        for deed in self.dice.choices([each[0] for each in deeds], [each[1] for each in deeds], k=STEPS):
            try:
                deed()
                done[deed.__name__] += 1
            except Conflict:
                done["refused"] += 1
        return done

    def _labels(self) -> list[dict[str, object]]:
        return [make_box(self.dice.randrange(3), x=0.05 * n) for n in range(self.dice.randrange(3))]

    def submit(self) -> None:
        for task in take_next(stage=self.label, user=self.user, count=2):
            transitions.submit(
                task_id=task.uid, user=self.user, labels=self._labels(), seconds=1, revision=task.revision
            )

    def check(self) -> None:
        for task in take_next(stage=self.review, user=self.user, count=2):
            place = {"task_id": task.uid, "user": self.user, "seconds": 1.0, "revision": task.revision}
            match self.dice.randrange(4):
                case 0:
                    transitions.reject(comment="once more", **place)
                case 1:
                    transitions.accept(labels=self._labels(), **place)
                case _:
                    transitions.accept(labels=opening(task, self.user).labels, **place)

    def save(self) -> None:
        for task in take_next(stage=self.label, user=self.user, count=1):
            transitions.save(task_id=task.uid, user=self.user, labels=self._labels(), seconds=1, revision=task.revision)

    def skip(self) -> None:
        for task in take_next(stage=self.label, user=self.user, count=1):
            transitions.skip(task_id=task.uid, user=self.user)

    def trouble(self) -> None:
        for task in take_next(stage=self.label, user=self.user, count=1):
            transitions.report_problem(task_id=task.uid, user=self.user, text="hm")
            transitions.resolve_problem(task_id=task.uid, by=self.user, to_reporter=self.dice.random() < 0.5)

    def undo(self) -> None:
        last = Annotation.objects.filter(author=self.user, stage=self.label).order_by("-id").first()
        if last:
            transitions.reopen(task_id=last.task.uid, user=self.user)

    def release(self) -> None:
        held = Task.objects.filter(stage__in=[self.label, self.review]).exclude(assignee=None)
        transitions.release(task_ids=list(held.values_list("uid", flat=True)[:3]), by=self.user, anybodys=True)

    def send(self) -> None:
        services.send_batch(self.learning, size=self.dice.randrange(1, 9), by=self.user)

    def recall(self) -> None:
        batch = Batch.objects.filter(stage=self.learning).order_by("?").first()
        if batch:
            services.recall(batch, by=self.user)

    def cycle(self) -> None:
        """What a cycle leaves behind: predictions of the queue, and one update that makes them current."""
        with transaction.atomic():
            learner = services.locked(self.learning)
            number = learner.current.number + 1 if learner.current else 1
            cycle = Cycle.objects.create(stage=self.learning, number=number, ended_at=timezone.now())
            waiting = Task.objects.filter(stage=self.learning, state=TaskState.WAITING).values_list("pk", flat=True)
            box = make_box(1, source="model", id="p", confidence=0.5)
            Prediction.objects.bulk_create(
                Prediction(cycle=cycle, task_id=key, labels=[box], confidence=self.dice.random(), rank=rank)
                for rank, key in enumerate(waiting)
            )
            learner.current = cycle
            learner.save(update_fields=["current"])

    def flush(self) -> None:
        run = services.flush(self.learning, threshold=self.dice.choice([0.0, 0.5, 0.9]), by=self.user)
        execute(run.pk)

    def take_back(self) -> None:
        """The auto-labels of some flush."""
        flushed = Run.objects.filter(kind="flush", status=RunStatus.DONE).order_by("?").first()
        if flushed:
            execute(acceptance.revert(flushed, self.learning, by=self.user).pk)

    def lose_a_worker(self) -> None:
        """A flush whose worker is taken for dead at work: two attempts run at once, only the later may write."""
        run = services.flush(self.learning, threshold=0.7, by=self.user)
        first = runs.start(run.pk)
        assert first is not None
        runs.requeue(first.run, "The worker is gone.")
        execute(run.pk)
        with pytest.raises(runs.Stopped), first.guard():
            raise AssertionError("The attempt that was taken for dead may still write.")

    def feed(self) -> None:
        transitions.create_tasks(stage=self.plant.stage("INPUT"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_order_of_work_loses_or_doubles_a_task(organization: Organization, seed: int) -> None:
    plant = make_plant(organization, TASKS, "autolabel-review", name=f"Parts {seed}")
    add_datapoints(plant.dataset, 20)
    learner_of(plant.stage("ACTIVE_LEARNING"))
    users = crowd(organization, HANDS)
    hands = [Hand(plant, user, 1000 * seed + number) for number, user in enumerate(users)]
    hands[0].feed()
    hands[0].send()
    hands[0].cycle()
    done = sum(at_once(*(hand.work for hand in hands)), Counter())
    assert done["submit"] and done["check"] and done["flush"], done
    check_everything(plant, TASKS + 20)
    _finish(plant, hands[0])
    check_everything(plant, TASKS + 20)
    assert LabelsetEntry.objects.filter(labelset=plant.labelset).count() == TASKS + 20


def _finish(plant: Plant, hand: Hand) -> None:
    """Everything that is still on its way, and a last flush."""
    transitions.release(task_ids=list(Task.objects.values_list("uid", flat=True)), by=hand.user, anybodys=True)
    for task in Task.objects.filter(state=TaskState.PROBLEM):
        transitions.resolve_problem(task_id=task.uid, by=hand.user, to_reporter=False)
    for _ in range(4 * TASKS):
        left = Task.objects.filter(stage__in=[hand.label, hand.review]).count()
        if not left:
            break
        hand.submit()
        for task in take_next(stage=hand.review, user=hand.user):
            transitions.accept(task_id=task.uid, user=hand.user, seconds=1, revision=task.revision)
    hand.cycle()
    if Task.objects.filter(stage=hand.learning).exists():
        execute(services.flush(hand.learning, threshold=0.0, by=hand.user).pk)


def check_everything(plant: Plant, total: int) -> None:
    tasks = list(Task.objects.select_related("stage", "annotation").order_by("pk"))
    assert len(tasks) == total == len({task.datapoint_id for task in tasks})
    entries = {entry.task_uid: entry for entry in LabelsetEntry.objects.filter(labelset=plant.labelset)}
    ended = {task.uid for task in tasks if task.stage.name == "OUTPUT"}
    assert set(entries) == ended
    for task in tasks:
        assert BRICKS[task.stage.brick].holds_tasks
        _check_history(task)
        if task.uid in ended:
            _check_provenance(task, entries[task.uid])
    assert not StageRun.objects.filter(is_active=True).exists()
    assert not Run.objects.filter(kind__in=["flush", "revert"], status__in=ACTIVE).exists()


def _check_history(task: Task) -> None:
    """One unbroken way from the input to where the task is."""
    events = list(TaskEvent.objects.filter(task=task).order_by("id"))
    assert [event.verb for event in events].count("created") == 1 and events[0].verb == "created"
    for before, after in zip(events, events[1:], strict=False):
        assert before.to_stage == after.from_stage, [(e.verb, e.from_stage, e.to_stage) for e in events]
    assert events[-1].to_stage == task.stage.name
    said = sum(event.verb in ("submitted", "corrected") for event in events)
    assert Annotation.objects.filter(task=task, source="human").count() == said
    back = [event for event in events if event.path and event.path[-1] == "FEEDBACK"]
    assert task.in_training_set == bool(back)


def _check_provenance(task: Task, entry: LabelsetEntry) -> None:
    said = task.annotation
    assert said is not None and entry.labels == said.labels and entry.datapoint_id == task.datapoint_id
    assert (entry.source, entry.author_id, entry.confidence, entry.cycle) == (
        "import" if said.source == "program" else said.source,
        said.author_id,
        said.confidence,
        said.cycle,
    )
    if entry.source == "model":
        assert not task.in_training_set
        assert entry.confidence is not None and entry.cycle is not None and entry.author_id is None
    else:
        assert entry.author_id is not None
