"""Tasks come into being: set-wise, in chunks, one transaction a chunk; a datapoint has one task a project."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.db import transaction

from apps.labeling.arrivals import Arrival, arrived
from apps.labeling.transitions.moves import EVENT_COLUMNS, drawn, execute, fetch, state_on_arrival
from apps.labeling.transitions.shared import pipeline_of
from apps.projects.models import Stage
from apps.projects.pipelines import Route, routes

CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one transaction did: tasks made, rows looked at, and the key after which the next one begins."""

    made: int
    seen: int
    last: int

    @property
    def is_last(self) -> bool:
        return self.seen == 0


def create_tasks(*, stage: Stage, after: int = 0, size: int = CHUNK) -> Chunk:
    """One task a readable datapoint of the dataset that has none yet; safe to repeat."""
    if stage.dataset_id is None:
        raise ValueError(f"{stage.name} has no dataset to take datapoints from.")
    last, seen = _window("warehouse_datapoint", "dataset_id", stage.dataset_id, after, size)
    if not seen:
        return Chunk(0, 0, after)
    with transaction.atomic():
        made = sum(
            _create_along(way, stage, after, last) for way in routes(pipeline_of(stage.project_id), stage, "next")
        )
    return Chunk(made, seen, last)


def create_labeled_tasks(*, stage: Stage, after: int = 0, size: int = CHUNK) -> Chunk:
    """One task an entry of the labelset, already carrying its labels; safe to repeat."""
    if stage.labelset_id is None:
        raise ValueError(f"{stage.name} has no labelset to take entries from.")
    last, seen = _window("warehouse_labelsetentry", "labelset_id", stage.labelset_id, after, size)
    if not seen:
        return Chunk(0, 0, after)
    with transaction.atomic():
        ways = routes(pipeline_of(stage.project_id), stage, "next")
        made = sum(_create_labeled_along(way, stage, after, last) for way in ways)
    return Chunk(made, seen, last)


def _window(table: str, column: str, owner: int, after: int, size: int) -> tuple[int, int]:
    """(last key, rows) of the next `size` rows."""
    [(last, seen)] = fetch(
        f"SELECT max(id), count(*) FROM (SELECT id FROM {table} WHERE {column} = %s AND id > %s"  # noqa: S608
        " ORDER BY id LIMIT %s) page",
        [owner, after, size],
    )
    return last or after, seen


_INSERT_TASKS = """
    INSERT INTO labeling_task (project_id, datapoint_id, stage_id, state, revision, priority, position,
        is_audit, is_held_out, in_training_set, arrived_at, created_at)
"""
_INSERT_EVENTS = f"INSERT INTO labeling_taskevent ({EVENT_COLUMNS})"


def _create_along(way: Route, stage: Stage, after: int, last: int) -> int:
    condition, draws = drawn(way.draws, "d.id")
    made = fetch(
        f"""
        WITH made AS (
            {_INSERT_TASKS}
            SELECT %s, d.id, %s, 'waiting', 0, 0, 0, FALSE, FALSE, FALSE, now(), now() FROM warehouse_datapoint d
            WHERE d.dataset_id = %s AND d.id > %s AND d.id <= %s AND d.error = ''{condition}
            ORDER BY d.id
            ON CONFLICT (project_id, datapoint_id) DO NOTHING
            RETURNING id
        )
        {_INSERT_EVENTS}
        SELECT id, 'created', NULL, %s, %s, %s, NULL, '{{}}', now() FROM made RETURNING task_id
        """,  # noqa: S608
        [stage.project_id, way.stage.pk, stage.dataset_id, after, last, *draws]
        + [stage.name, way.stage.name, json.dumps(way.path)],
    )
    arrived(Arrival(way.stage, way.port, [row[0] for row in made]))
    return len(made)


def _create_labeled_along(way: Route, stage: Stage, after: int, last: int) -> int:
    condition, draws = drawn(way.draws, "e.datapoint_id")
    made = fetch(
        f"""
        WITH made AS (
            {_INSERT_TASKS}
            SELECT %s, e.datapoint_id, %s, 'waiting', 0, 0, 0, FALSE, FALSE, FALSE, now(), now()
            FROM warehouse_labelsetentry e
            WHERE e.labelset_id = %s AND e.id > %s AND e.id <= %s{condition}
            ORDER BY e.id
            ON CONFLICT (project_id, datapoint_id) DO NOTHING
            RETURNING id, datapoint_id
        ), said AS (
            INSERT INTO labeling_annotation
                (task_id, stage_id, labels, source, seconds, author_id, confidence, cycle, at)
            SELECT made.id, %s, e.labels, CASE WHEN e.source = 'model' THEN 'model' ELSE 'import' END, 0, e.author_id,
                e.confidence, e.cycle, now()
            FROM made JOIN warehouse_labelsetentry e ON e.labelset_id = %s AND e.datapoint_id = made.datapoint_id
            RETURNING id, task_id
        )
        {_INSERT_EVENTS}
        SELECT task_id, 'created', NULL, %s, %s, %s, id, '{{}}', now() FROM said RETURNING task_id, annotation_id
        """,  # noqa: S608
        [stage.project_id, way.stage.pk, stage.labelset_id, after, last, *draws, stage.pk, stage.labelset_id]
        + [stage.name, way.stage.name, json.dumps(way.path)],
    )
    _attach(way, [row[0] for row in made], [row[1] for row in made])
    arrived(Arrival(way.stage, way.port, [row[0] for row in made]))
    return len(made)


def _attach(way: Route, tasks: list[int], annotations: list[int]) -> None:
    """The entry's labels become the current annotation; only now can the state on arrival be told."""
    execute(
        "UPDATE labeling_task t SET annotation_id = o.annotation_id"
        " FROM unnest(%s::bigint[], %s::bigint[]) AS o(id, annotation_id) WHERE t.id = o.id",
        [tasks, annotations],
    )
    state, training = state_on_arrival(way.stage)
    execute(f"UPDATE labeling_task t SET state = {state}, in_training_set = {training} WHERE t.id = ANY(%s)", [tasks])  # noqa: S608
