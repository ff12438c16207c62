"""The queue of an active-learning stage, in the order in which it is sent, and random draws from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.autolabel.models import Cycle
from apps.common.http import Conflict
from apps.labeling.models import TaskState
from apps.labeling.transitions import Source
from apps.projects.models import Stage

_LAST_RANK = 2**62


@dataclass(frozen=True, slots=True)
class _Band:
    """One ordered read: tasks of the queue in the order of `keys`, the last of which is the task's id."""

    source: str
    keys: tuple[str, ...]


_PREDICTION = "LEFT JOIN autolabel_prediction p ON p.task_id = t.id AND p.cycle_id = %(cycle)s"
_WAITING = "t.stage_id = %(stage)s AND t.state = 'waiting'"

# The order is priority, rank, shuffle. As one ORDER BY it would sort the whole queue; each band reads an index.
_BANDS = (
    _Band(
        f"labeling_task t {_PREDICTION} WHERE {_WAITING} AND t.priority > 0",
        ("-t.priority", f"COALESCE(p.rank, {_LAST_RANK})", "t.shuffle", "t.id"),
    ),
    _Band(
        "autolabel_prediction p JOIN labeling_task t ON t.id = p.task_id"
        f" WHERE p.cycle_id = %(cycle)s AND p.rank IS NOT NULL AND {_WAITING} AND t.priority <= 0",
        ("p.rank", "p.task_id"),
    ),
    _Band(
        f"labeling_task t {_PREDICTION} WHERE {_WAITING} AND t.priority <= 0 AND p.rank IS NULL",
        ("t.shuffle", "t.id"),
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A task's place in the order; `cursor` is what comes before the next one."""

    task_id: int
    cursor: str


def top(stage: Stage, cycle: Cycle | None, limit: int, after: str = "") -> list[Place]:
    """The next `limit` tasks of the queue after a cursor."""
    band, keys = _parse(after)
    found: list[Place] = []
    while band < len(_BANDS) and len(found) < limit:
        found += _read(band, keys, stage, cycle, limit - len(found))
        band, keys = band + 1, []
    return found


def _read(band: int, after: list[Any], stage: Stage, cycle: Cycle | None, limit: int) -> list[Place]:
    spec = _BANDS[band]
    keys = ", ".join(spec.keys)
    params: dict[str, Any] = {"stage": stage.pk, "cycle": cycle.pk if cycle else None, "limit": limit}
    beyond = ""
    if after:
        marks = ", ".join(f"%(after{index})s" for index in range(len(after)))
        params |= {f"after{index}": value for index, value in enumerate(after)}
        beyond = f" AND ({keys}) > ({marks})"
    sql = f"SELECT {keys} FROM {spec.source}{beyond} ORDER BY {keys} LIMIT %(limit)s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Place(row[-1], ":".join([str(band), *map(repr, row)])) for row in cursor.fetchall()]


def _parse(cursor: str) -> tuple[int, list[Any]]:
    if not cursor:
        return 0, []
    band, *keys = cursor.split(":")
    try:
        number = int(band)
        expected = len(_BANDS[number].keys) if 0 <= number < len(_BANDS) else -1
        if len(keys) != expected:
            raise ValueError(cursor)
        return number, [float(key) if "." in key or "e" in key else int(key) for key in keys]
    except ValueError:
        raise Conflict("This page of the queue does not exist.") from None


def in_order(stage: Stage, cycle: Cycle | None, tasks: Sequence[UUID]) -> list[int]:
    """Those of the tasks that are in the queue, in the order in which they would be sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id FROM labeling_task t {_PREDICTION} WHERE {_WAITING} AND t.uid = ANY(%(tasks)s)"  # noqa: S608
            f" ORDER BY GREATEST(t.priority, 0) DESC, COALESCE(p.rank, {_LAST_RANK}), t.shuffle, t.id",
            {"stage": stage.pk, "cycle": cycle.pk if cycle else None, "tasks": list(tasks)},
        )
        return [row[0] for row in cursor.fetchall()]


def draw_flushable(stage: Stage, cycle: Cycle, threshold: float, seed: int, limit: int) -> list[int]:
    """Tasks drawn uniformly from those that a flush at the threshold would send with an auto-label."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id FROM labeling_task t JOIN autolabel_prediction p ON p.task_id = t.id"  # noqa: S608
            f" WHERE p.cycle_id = %(cycle)s AND p.confidence >= %(threshold)s AND {_WAITING}"
            " ORDER BY hashint8extended(t.id, %(seed)s), t.id LIMIT %(limit)s",
            {"stage": stage.pk, "cycle": cycle.pk, "threshold": threshold, "seed": seed, "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]


def predictions(cycle: Cycle | None, threshold: float = 0.0) -> Source | None:
    """What is copied when tasks are sent or flushed: the predictions of a cycle at or above a threshold."""
    if cycle is None:
        return None
    return Source(
        "SELECT task_id, labels, confidence, %s::integer AS cycle FROM autolabel_prediction"
        " WHERE cycle_id = %s AND confidence >= %s",
        [cycle.number, cycle.pk, threshold],
    )


def size(stage: Stage) -> int:
    return stage.tasks.filter(state=TaskState.WAITING).count()
