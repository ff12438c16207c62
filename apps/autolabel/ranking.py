"""The order of the queue after a cycle: the strategy's ranks, and the place of tasks that arrive later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max

from apps.autolabel.learning import class_ids
from apps.autolabel.models import Cycle, Prediction
from apps.autolabel.state import option
from apps.detector.acquire import rank

RANKED_CLOSELY = 100_000
"""So many of the least confident are ordered by the strategy; those behind them follow by confidence."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The strategy's ranks of the head of the queue, by key of the prediction."""

    keys: list[int]
    ranks: list[int]


def ranks_of(cycle: Cycle) -> Ranks:
    """What the strategy says about the head of the queue."""
    rows = _head(cycle)
    if not rows:
        return Ranks([], [])
    ranks = rank(
        cycle.strategy,
        confidence=np.array([row[1] for row in rows]),
        embeddings=np.array([np.frombuffer(row[3] or b"", np.float16) for row in rows], np.float32),
        shuffle=np.array([row[2] for row in rows]),
        batch_size=int(option(cycle.stage, "batch_size")),
        class_counts=_class_counts([row[4] or [] for row in rows], class_ids(cycle.stage)),
    )
    return Ranks([row[0] for row in rows], ranks.tolist())


def write_ranks(cycle: Cycle, head: Ranks) -> None:
    """The head as the strategy has it, the rest behind it by confidence; ranks are consecutive."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE autolabel_prediction SET rank = NULL WHERE cycle_id = %s AND rank IS NOT NULL", [cycle.pk]
        )
        cursor.execute(
            "UPDATE autolabel_prediction p SET rank = o.rank"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS o(id, rank) WHERE p.id = o.id",
            [head.keys, head.ranks],
        )
        cursor.execute(
            f"""
            UPDATE autolabel_prediction p SET rank = %s + o.place FROM (
                SELECT p.id, row_number() OVER (ORDER BY {_order(cycle)}, t.id) - 1 AS place
                FROM autolabel_prediction p JOIN labeling_task t ON t.id = p.task_id
                WHERE p.cycle_id = %s AND p.rank IS NULL
            ) o WHERE o.id = p.id
            """,  # noqa: S608
            [len(head.keys), cycle.pk],
        )


def _order(cycle: Cycle) -> str:
    return "t.shuffle" if cycle.strategy == "random" else "p.confidence, t.shuffle"


def _head(cycle: Cycle) -> list[tuple[Any, ...]]:
    """(key, confidence, shuffle, embedding, classes of the boxes) of the first predictions."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, p.confidence, t.shuffle, p.embedding,
                (SELECT array_agg((l ->> 'category')::int) FROM jsonb_array_elements(p.labels) l)
            FROM autolabel_prediction p JOIN labeling_task t ON t.id = p.task_id
            WHERE p.cycle_id = %s ORDER BY {_order(cycle)}, t.id LIMIT %s
            """,  # noqa: S608
            [cycle.pk, RANKED_CLOSELY],
        )
        return list(cursor.fetchall())


def _class_counts(classes: Sequence[Sequence[int]], known: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Boxes of each class in each image: shape (images, classes)."""
    column = {class_id: place for place, class_id in enumerate(known)}
    counts = np.zeros((len(classes), len(known)), np.int64)
    for row, of_image in enumerate(classes):
        for class_id in of_image:
            counts[row, column[class_id]] += 1
    return counts


def fit_in(cycle: Cycle, task_ids: Sequence[int]) -> None:
    """Give late tasks the rank of the ranked one that is just as sure, or in random order a rank by their shuffle."""
    if cycle.strategy == "random":
        last = Prediction.objects.filter(cycle=cycle).aggregate(last=Max("rank"))["last"] or 0
        sql, params = "(SELECT floor(t.shuffle * %s) FROM labeling_task t WHERE t.id = p.task_id)", [last]
    else:
        sql = (
            "COALESCE((SELECT n.rank FROM autolabel_prediction n WHERE n.cycle_id = p.cycle_id AND n.rank IS NOT NULL"
            " AND n.confidence <= p.confidence ORDER BY n.confidence DESC, n.rank DESC LIMIT 1), 0)"
        )
        params = []
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE autolabel_prediction p SET rank = {sql}"  # noqa: S608
            " WHERE p.cycle_id = %s AND p.task_id = ANY(%s) AND p.rank IS NULL",
            [*params, cycle.pk, list(task_ids)],
        )
