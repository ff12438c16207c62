"""Random draws from the queue that read little of it: each of its tasks is as likely to be drawn as any other."""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.db import connection

from apps.labeling.models import TaskState
from apps.projects.models import Stage

_WAITING = f"t.stage_id = %(stage)s AND t.state = '{TaskState.WAITING}'"
PROBES = (0.001, 0.03)
"""Widths in which the tasks are counted to tell how dense they lie; the first with enough of them tells."""
ENOUGH = 50
FEW = 10
"""A queue of fewer than so many times what is wanted is drawn from as a whole."""
SPARE = 1.5


def draw(stage: Stage, seed: int, limit: int, *, without: Sequence[int] = ()) -> list[int]:
    """Tasks drawn uniformly from the queue but for some; another seed is another draw.

    `shuffle` cut into cells of one width, cells are picked at random and all their tasks taken: a task is as likely to
    be taken as its cell, however many others are in it. Reading on from a point of `shuffle` instead would favor what
    lies behind the gap that an earlier draw has left.
    """
    if limit <= 0:
        return []
    dice = random.Random(seed)  # noqa: S311
    density = _density(stage, dice.random())
    cells = int(density)
    if cells < FEW * (limit + len(without)):
        return _drawn(stage, seed, limit, without)
    order = dice.sample(range(cells), min(cells, int(SPARE * limit) + ENOUGH))
    found = _in_cells(stage, cells, order, seed, limit, without)
    return found if len(found) == limit else _drawn(stage, seed, limit, without)


def _density(stage: Stage, at: float) -> float:
    """About how many tasks wait, told from a stretch of `shuffle`; 0 where that is too few to tell."""
    for width in PROBES:
        low = at * (1 - width)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM labeling_task t WHERE {_WAITING}"  # noqa: S608
                " AND t.shuffle >= %(low)s AND t.shuffle < %(high)s",
                {"stage": stage.pk, "low": low, "high": low + width},
            )
            count = cursor.fetchone()[0]
        if count >= ENOUGH:
            return float(count / width)
    return 0.0


def _in_cells(
    stage: Stage, cells: int, picked: Sequence[int], seed: int, limit: int, without: Sequence[int]
) -> list[int]:
    # OFFSET 0 keeps the planner from joining the whole queue with the cells: each is one look into the index.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.id FROM unnest(%(picked)s::bigint[]) AS cell CROSS JOIN LATERAL (
                SELECT t.id FROM labeling_task t WHERE {_WAITING}
                    AND t.shuffle >= cell::float8 / %(cells)s AND t.shuffle < (cell + 1)::float8 / %(cells)s
                OFFSET 0
            ) t
            WHERE t.id <> ALL(%(without)s) ORDER BY hashint8extended(t.id, %(seed)s), t.id LIMIT %(limit)s
            """,  # noqa: S608
            {
                "stage": stage.pk,
                "picked": list(picked),
                "cells": cells,
                "seed": seed,
                "limit": limit,
                "without": list(without),
            },
        )
        return [row[0] for row in cursor.fetchall()]


def _drawn(stage: Stage, seed: int, limit: int, without: Sequence[int]) -> list[int]:
    """The same from the whole queue, by the hash of each task."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id FROM labeling_task t WHERE {_WAITING} AND t.id <> ALL(%(without)s)"  # noqa: S608
            " ORDER BY hashint8extended(t.id, %(seed)s), t.id LIMIT %(limit)s",
            {"stage": stage.pk, "without": list(without), "seed": seed, "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]
