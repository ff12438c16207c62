"""What to label next: each strategy turns predictions into an order of the queue."""

import math
from dataclasses import dataclass

import numpy as np

from .types import FloatArray, IntArray

_RARE_TURN = 4
_RARE_SHARE = 0.5
_RARE_BATCHES = 10
"""So many batches ahead rare classes have their turn."""
_DIVERSE_BATCHES = 3
"""`diverse` chooses among so many batches of the least confident: among more it found odd grounds, not doubts."""
_DIVERSE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Queue:
    """n rows: confidence (n,), embeddings (n, d), shuffle (n,), predicted boxes a class (n, c) or None."""

    confidence: FloatArray
    embeddings: FloatArray
    shuffle: FloatArray
    batch_size: int
    class_counts: IntArray | None = None


class LeastConfident:
    """By confidence; every fourth place goes to the least confident image of a rare class, each class in turn."""

    def order(self, queue: Queue) -> IntArray:
        by_confidence = np.lexsort((queue.shuffle, queue.confidence))
        if queue.class_counts is None:
            return by_confidence
        return _give_turns(by_confidence, queue.class_counts, queue.batch_size * _RARE_BATCHES)


class Diverse:
    """Farthest first over embeddings among the least confident: every prefix is diverse. The rest by confidence.

    As in PPAL (Yang et al., arXiv 2211.11612) a few batches are drawn by doubt and spread by content. Where the queue
    is short they are its unsure half, lest everything that is left be among them.
    """

    def order(self, queue: Queue) -> IntArray:
        by_confidence = LeastConfident().order(queue)
        unsure = min(queue.batch_size * _DIVERSE_BATCHES, math.ceil(len(by_confidence) * _DIVERSE_SHARE))
        pool, rest = np.split(by_confidence, [max(unsure, min(queue.batch_size, len(by_confidence)))])
        return np.concatenate([pool[_farthest_first(queue.embeddings[pool])], rest])


class Random:
    """By the random number each task was born with."""

    def order(self, queue: Queue) -> IntArray:
        return np.argsort(queue.shuffle, kind="stable")


Strategy = LeastConfident | Diverse | Random

STRATEGIES: dict[str, type[Strategy]] = {"least-confident": LeastConfident, "diverse": Diverse, "random": Random}


def rank(
    strategy: str,
    *,
    confidence: FloatArray,
    embeddings: FloatArray,
    shuffle: FloatArray,
    batch_size: int,
    class_counts: IntArray | None = None,
) -> IntArray:
    """The rank of each row (n,), 0 the first to be sent."""
    queue = Queue(np.asarray(confidence), np.asarray(embeddings), np.asarray(shuffle), batch_size, class_counts)
    order = STRATEGIES[strategy]().order(queue)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _farthest_first(embeddings: FloatArray) -> IntArray:
    """Order of the rows (n, d): the first row, then always the one farthest from all that were taken."""
    count = len(embeddings)
    points = np.asarray(embeddings, dtype=np.float32)
    norms = (points * points).sum(1)
    order = np.empty(count, dtype=np.int64)
    gap = np.full(count, np.inf, dtype=np.float32)
    current = 0
    for place in range(count):
        order[place] = current
        gap = np.minimum(gap, norms + norms[current] - 2 * (points @ points[current]))
        gap[current] = -np.inf
        current = int(np.argmax(gap))
    return order


def _give_turns(order: IntArray, counts: IntArray, reach: int) -> IntArray:
    """Let the rare classes have every fourth of the first `reach` places."""
    totals = counts.sum(0)
    present = np.flatnonzero(totals > 0)
    if len(present) < 2:
        return order
    rare = present[totals[present] < _RARE_SHARE * totals[present].sum() / len(present)]
    slots = min(reach, len(order)) // _RARE_TURN
    lines = [order[counts[order, row] > 0][:slots] for row in rare]
    turns = [line[place] for place in range(slots) for line in lines if place < len(line)]
    favored = np.array(list(dict.fromkeys(turns))[:slots], dtype=order.dtype)
    others = order[~np.isin(order, favored)]
    spots = np.minimum(np.arange(len(favored)) * (_RARE_TURN - 1), len(others))
    return np.insert(others, spots, favored)
