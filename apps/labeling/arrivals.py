"""What happens when tasks arrive at a stage: brick -> function, called inside the transaction that moved them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.labeling.models import Task
from apps.projects.models import Stage
from apps.warehouse.labelset_entries import upsert_from


@dataclass(frozen=True, slots=True)
class Arrival:
    """Tasks that have just come to rest at a stage through one of its in ports ("in" or "feedback")."""

    stage: Stage
    port: str
    task_ids: Sequence[int]
    by: Any = None


Arrive = Callable[[Arrival], None]
UndoGuard = Callable[[Task], str]

# The tasks first, by their keys: in one join PostgreSQL reads all tasks with an annotation as long as its statistics
# say that there are few, and in the middle of a flush there are not.
_ENTRIES = """
    WITH t AS MATERIALIZED (
        SELECT datapoint_id, uid, annotation_id FROM labeling_task WHERE id = ANY(%s)
    )
    SELECT t.datapoint_id, t.uid, a.labels, CASE a.source WHEN 'program' THEN 'import' ELSE a.source END,
        a.confidence, a.cycle, a.author_id
    FROM t JOIN labeling_annotation a ON a.id = t.annotation_id ORDER BY t.datapoint_id
"""


def write_entries(arrival: Arrival) -> None:
    """The labelset holds the current annotation of every task that arrived, with where it came from."""
    if arrival.stage.labelset_id is None:
        raise ValueError(f"{arrival.stage.name} has no labelset to write to.")
    upsert_from(arrival.stage.labelset_id, _ENTRIES, [list(arrival.task_ids)])


ARRIVALS: dict[str, Arrive] = {"labelset-output": write_entries}
UNDO_GUARDS: dict[str, UndoGuard] = {}


def register(brick: str, arrive: Arrive) -> None:
    """Called by the app that owns a brick, once, when the apps are ready."""
    if ARRIVALS.setdefault(brick, arrive) is not arrive:
        raise ValueError(f"Something else already happens on arrival at {brick}.")


def guard_undo(brick: str, guard: UndoGuard) -> None:
    """`guard(task)` says why a submit that brought the task to this brick can no longer be undone, or ""."""
    if UNDO_GUARDS.setdefault(brick, guard) is not guard:
        raise ValueError(f"Something else already guards undoing at {brick}.")


def arrived(arrival: Arrival) -> None:
    if arrival.task_ids and (arrive := ARRIVALS.get(arrival.stage.brick)):
        arrive(arrival)
