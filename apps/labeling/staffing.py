"""Who works on what in a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone

from apps.accounts.models import User
from apps.labeling.models import OPEN_STATES, Annotation, Task, TaskEvent, TaskState
from apps.projects.models import Stage

AT_MOST = 100


@dataclass(slots=True)
class Hand:
    """One member's work in a stage."""

    user: User
    assigned: int = 0
    saved: int = 0
    reserved: int = 0
    until: datetime | None = None
    done_today: int = 0
    done: int = 0

    @property
    def holds(self) -> int:
        return self.assigned + self.saved + self.reserved


@dataclass(frozen=True, slots=True)
class Staffing:
    """A stage's tasks by state, its hands, and what is held or has a problem."""

    counts: dict[str, int]
    hands: list[Hand]
    held: list[Task]
    problems: list[tuple[Task, str]]
    at: datetime

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def staffing(stage: Stage, at: datetime | None = None) -> Staffing:
    at = at or timezone.now()
    tasks = Task.objects.filter(stage=stage)
    counts = dict(tasks.order_by().values_list("state").annotate(count=Count("pk")))
    held = tasks.filter(state__in=[TaskState.ASSIGNED, TaskState.IN_PROGRESS])
    recent = held.select_related("datapoint", "assignee").order_by("leased_until", "pk")[:AT_MOST]
    reported = list(tasks.filter(state=TaskState.PROBLEM).select_related("datapoint").order_by("pk")[:AT_MOST])
    return Staffing(counts, _hands(stage, at), list(recent), _with_text(reported), at)


def _hands(stage: Stage, at: datetime) -> list[Hand]:
    hands: dict[int, Hand] = {}
    tasks = Task.objects.filter(stage=stage).order_by()
    held = tasks.exclude(assignee=None).values_list("assignee").annotate(
        assigned=Count("pk", filter=Q(state=TaskState.ASSIGNED)),
        saved=Count("pk", filter=Q(state=TaskState.IN_PROGRESS)),
        until=Max("leased_until"),
    )  # fmt: skip
    reserved = (
        tasks.filter(state__in=OPEN_STATES)
        .exclude(reserved_for=None)
        .values_list("reserved_for")
        .annotate(count=Count("pk"))
    )
    done = (
        Annotation.objects.filter(stage=stage).exclude(author=None).order_by().values_list("author").annotate(
            count=Count("pk"), today=Count("pk", filter=Q(at__gt=at - timedelta(hours=24)))
        )
    )  # fmt: skip
    rows = (list(held), list(reserved), list(done))
    users = User.objects.in_bulk({row[0] for part in rows for row in part})
    hands = {key: Hand(user) for key, user in users.items()}
    for key, assigned, saved, until in rows[0]:
        hands[key].assigned, hands[key].saved, hands[key].until = assigned, saved, until
    for key, count in rows[1]:
        hands[key].reserved = count
    for key, count, today in rows[2]:
        hands[key].done, hands[key].done_today = count, today
    return sorted(hands.values(), key=lambda hand: (-hand.holds, -hand.done_today, str(hand.user)))


def _with_text(tasks: Sequence[Task]) -> list[tuple[Task, str]]:
    said = TaskEvent.objects.filter(task__in=tasks, verb="problem").order_by("id").values_list("task_id", "detail")
    texts = {task: detail.get("text", "") for task, detail in said}
    return [(task, texts.get(task.pk, "")) for task in tasks]


def of_member(stage: Stage, user_id: int) -> list[Task]:
    """What a release of this member gives back."""
    mine = Task.objects.filter(stage=stage).filter(Q(assignee=user_id) | Q(reserved_for=user_id))
    return list(mine.order_by("pk"))
