"""Set-wise SQL under the transitions: lock, move along the pipeline, write events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.labeling.arrivals import Arrival, arrived
from apps.projects.models import Stage
from apps.projects.pipelines import Draw, Route, brick_of, routes, share_sql

EVENT_COLUMNS = "task_id, verb, actor_id, from_stage, to_stage, path, annotation_id, detail, at"


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


def state_on_arrival(stage: Stage) -> tuple[str, str]:
    """SQL of the state and of in_training_set that a task of alias `t` gets where it comes to rest."""
    brick = brick_of(stage)
    if brick.is_end:
        return "'done'", "t.in_training_set"
    if not brick.learns:
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
) -> list[Route]:
    """Move locked tasks out of a port to where they come to rest; the ways that were taken."""
    taken = []
    for way in routes(stages, origin, port):
        moved = _along(way, origin, task_ids, verb, by, reserved_for, detail or {})
        if moved:
            taken.append(way)
            arrived(Arrival(way.stage, way.port, moved, by))
    return taken


def _along(
    way: Route,
    origin: Stage,
    task_ids: Sequence[int],
    verb: str,
    by: int | None,
    reserved_for: int | None,
    detail: dict[str, Any],
) -> list[int]:
    state, training = state_on_arrival(way.stage)
    condition, draws = drawn(way.draws, "t.datapoint_id")
    rows = fetch(
        f"""
        WITH moved AS (
            UPDATE labeling_task t
            SET stage_id = %s, state = {state}, in_training_set = {training}, assignee_id = NULL,
                leased_until = NULL, reserved_for_id = %s, revision = t.revision + 1,
                priority = GREATEST(t.priority, 0), arrived_at = now()
            WHERE t.id = ANY(%s) AND t.stage_id = %s{condition}
            RETURNING t.id, t.annotation_id
        )
        INSERT INTO labeling_taskevent ({EVENT_COLUMNS})
        SELECT id, %s, %s, %s, %s, %s, annotation_id, %s, now() FROM moved
        RETURNING task_id
        """,  # noqa: S608
        [way.stage.pk, reserved_for, list(task_ids), origin.pk, *draws]
        + [verb, by, origin.name, way.stage.name, json.dumps(way.path), json.dumps(detail)],
    )
    return [row[0] for row in rows]


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
