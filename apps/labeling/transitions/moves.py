"""Set-wise SQL under the transitions: lock, move along the pipeline, write events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.labeling.arrivals import Arrival, arrived
from apps.projects.models import Stage
from apps.projects.pipelines import Draw, Route, brick_of, routes, share_sql

EVENT_COLUMNS = "task_id, verb, actor_id, from_stage, to_stage, path, annotation_id, detail, at"


@dataclass(frozen=True, slots=True)
class Source:
    """A SELECT of (task_id, labels, confidence, cycle) from which boxes are copied set-wise."""

    sql: str
    params: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What else a move writes: columns, from a table expression joined by `match`.

    In the same statement, because a task that is written twice is written twice with all its indexes.
    """

    columns: str
    params: Sequence[Any]
    table: str
    table_params: Sequence[Any]
    match: str


def fetch(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def execute(sql: str, params: Sequence[Any] = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def lock(stage_id: int, task_ids: Sequence[int], states: Sequence[str]) -> list[int]:
    """Of these tasks those that are here and in one of the states, locked in the order of their keys."""
    rows = fetch(
        "SELECT id FROM labeling_task WHERE id = ANY(%s) AND stage_id = %s AND state = ANY(%s) ORDER BY id FOR UPDATE",
        [list(task_ids), stage_id, [str(state) for state in states]],
    )
    return [row[0] for row in rows]


def drawn(draws: Sequence[Draw], column: str) -> tuple[str, list[Any]]:
    """SQL condition that the task with this datapoint takes all the draws."""
    sql, params = "", []
    for draw in draws:
        sql += f" AND {share_sql(column)} >= %s AND {share_sql(column)} < %s"
        params += [draw.stage_id, draw.low, draw.stage_id, draw.high]
    return sql, params


def state_on_arrival(stage: Stage, *, by_model: bool = False) -> tuple[str, str]:
    """SQL of the state and of in_training_set that a task of alias `t` gets where it comes to rest.

    What comes with labels of the model is not labeled yet in the eyes of a stage that learns.
    """
    brick = brick_of(stage)
    if brick.is_end:
        return "'done'", "t.in_training_set"
    if not brick.learns or by_model:
        return "'waiting'", "t.in_training_set"
    said = "EXISTS (SELECT 1 FROM labeling_annotation a WHERE a.id = t.annotation_id AND a.source <> 'model')"
    return f"CASE WHEN {said} THEN 'done' ELSE 'waiting' END", f"t.in_training_set OR {said}"


def travel(
    *,
    stages: Sequence[Stage],
    origin: Stage,
    port: str,
    task_ids: Sequence[int],
    verb: str,
    by: int | None,
    reserved_for: int | None = None,
    detail: dict[str, Any] | None = None,
    auto_labels: Source | None = None,
    change: Change | None = None,
) -> int:
    """Move locked tasks out of a port to where they come to rest; how many moved.

    With `auto_labels` those that it has labels for move, which become their annotation; with `change` those that it
    names.
    """
    moved = 0
    for way in routes(stages, origin, port):
        gone = _along(way, origin, task_ids, verb, by, reserved_for, detail or {}, auto_labels, change)
        if gone:
            moved += len(gone)
            arrived(Arrival(way.stage, way.port, gone, by))
    return moved


_LABELED = Change(", annotation_id = said.id", (), "said", (), "t.id = said.task_id")


def _along(
    way: Route,
    origin: Stage,
    task_ids: Sequence[int],
    verb: str,
    by: int | None,
    reserved_for: int | None,
    detail: dict[str, Any],
    auto_labels: Source | None,
    change: Change | None,
) -> list[int]:
    state, training = state_on_arrival(way.stage, by_model=auto_labels is not None)
    condition, draws = drawn(way.draws, "t.datapoint_id")
    here, chosen = f"t.stage_id = %s{condition}", [origin.pk, *draws]
    match, matched = "t.id = ANY(%s)", [list(task_ids)]
    said = ""
    said_params: list[Any] = []
    if auto_labels:
        said, said_params = _said_by_model(auto_labels, origin, task_ids, here, chosen)
        change = _LABELED
    columns = table = ""
    if change:
        columns, table, match, matched = change.columns, f"FROM {change.table}", change.match, []
    rows = fetch(
        f"""
        WITH {said} moved AS (
            UPDATE labeling_task t
            SET stage_id = %s, state = {state}, in_training_set = {training}, assignee_id = NULL,
                leased_until = NULL, reserved_for_id = %s, revision = t.revision + 1,
                priority = GREATEST(t.priority, 0), arrived_at = now(){columns}
            {table} WHERE {match} AND {here}
            RETURNING t.id, t.annotation_id
        )
        INSERT INTO labeling_taskevent ({EVENT_COLUMNS})
        SELECT id, %s, %s, %s, %s, %s, annotation_id, %s, now() FROM moved
        RETURNING task_id
        """,  # noqa: S608
        [*said_params, way.stage.pk, reserved_for]
        + ([*change.params, *change.table_params] if change else [])
        + [*matched, *chosen, verb, by, origin.name, way.stage.name, json.dumps(way.path), json.dumps(detail)],
    )
    return [row[0] for row in rows]


def _said_by_model(
    labels: Source, origin: Stage, task_ids: Sequence[int], here: str, chosen: Sequence[Any]
) -> tuple[str, list[Any]]:
    """The part of the statement that makes predictions annotations, with confidence and cycle.

    The tasks are named by the predictions' own column: from the tasks' PostgreSQL may come to read all predictions.
    """
    sql = f"""
        said AS (
            INSERT INTO labeling_annotation (task_id, stage_id, labels, source, seconds, confidence, cycle, at)
            SELECT p.task_id, %s, p.labels, 'model', 0, p.confidence, p.cycle, now() FROM ({labels.sql}) p
            JOIN labeling_task t ON t.id = p.task_id AND t.state = 'waiting' WHERE p.task_id = ANY(%s) AND {here}
            RETURNING id, task_id
        ),
    """  # noqa: S608
    return sql, [origin.pk, *labels.params, list(task_ids), *chosen]


def write_events(
    task_ids: Sequence[int], *, verb: str, by: int | None, stage: str, detail: dict[str, Any] | None = None
) -> None:
    """One event of a change that did not move the task."""
    if not task_ids:
        return
    execute(
        f"""
        INSERT INTO labeling_taskevent ({EVENT_COLUMNS})
        SELECT id, %s, %s, %s, %s, '[]', NULL, %s, now() FROM labeling_task WHERE id = ANY(%s)
        """,  # noqa: S608
        [verb, by, stage, stage, json.dumps(detail or {}), list(task_ids)],
    )


def put(*, stage: Stage, task_ids: Sequence[int], verb: str, by: int | None, origin: str) -> None:
    """Move locked tasks to a stage that no port leads to."""
    state, training = state_on_arrival(stage)
    execute(
        f"""
        WITH moved AS (
            UPDATE labeling_task t
            SET stage_id = %s, state = {state}, in_training_set = {training}, assignee_id = NULL,
                leased_until = NULL, reserved_for_id = NULL, revision = t.revision + 1,
                priority = GREATEST(t.priority, 0), arrived_at = now()
            WHERE t.id = ANY(%s) RETURNING t.id, t.annotation_id
        )
        INSERT INTO labeling_taskevent ({EVENT_COLUMNS})
        SELECT id, %s, %s, %s, %s, '[]', annotation_id, '{{}}', now() FROM moved
        """,  # noqa: S608
        [stage.pk, list(task_ids), verb, by, origin, stage.name],
    )
    arrived(Arrival(stage, "in", task_ids, by))
