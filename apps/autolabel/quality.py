"""Figures of merit: measured agreement with its interval, what a flush threshold buys, what is saved. No page in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MINIMUM_IMAGES = 10
"""Under so many images a percentage says more than is known."""
BINS = 100
_PSEUDO_IMAGES = (0.0, 1.0)
_PSEUDO_WEIGHT = 0.5
_ERRORS_EACH_SIDE = 2.1


@dataclass(frozen=True, slots=True)
class Measured:
    """The mean agreement of n images and the interval it lies in; None where there is no image."""

    n: int
    mean: float | None
    low: float | None
    high: float | None

    @property
    def is_enough(self) -> bool:
        return self.n >= MINIMUM_IMAGES


@dataclass(frozen=True, slots=True)
class Scored:
    """A held-out image: the confidence its prediction had and the agreement it turned out to have."""

    confidence: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions of the queue whose confidence falls into [index, index + 1) / BINS."""

    index: int
    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Level:
    """What flushing at a threshold would send: how many, which share of the queue, at what expected agreement."""

    threshold: float
    count: int
    share: float
    expected: float | None


@dataclass(frozen=True, slots=True)
class Savings:
    """What the model spares people: images that need no hand, boxes that needed none, hours."""

    images: int
    image_share: float
    box_share: float | None
    hours: float | None


def measure(agreements: Sequence[float]) -> Measured:
    """Mean over images; interval from the images and two pseudo-images, agreement 0 and 1, of weight one half each.

    The pseudo-images keep the interval from shrinking to a point where all of a few images agree, in the manner of
    Agresti and Coull (1998); a bootstrap of ten images covers the truth less than half of the time.
    """
    n = len(agreements)
    if n == 0:
        return Measured(0, None, None, None)
    weight = n + _PSEUDO_WEIGHT * len(_PSEUDO_IMAGES)
    center = (math.fsum(agreements) + _PSEUDO_WEIGHT * sum(_PSEUDO_IMAGES)) / weight
    squares = math.fsum((value - center) ** 2 for value in agreements)
    squares += _PSEUDO_WEIGHT * sum((value - center) ** 2 for value in _PSEUDO_IMAGES)
    error = math.sqrt(squares / n / weight)
    low, high = center - _ERRORS_EACH_SIDE * error, center + _ERRORS_EACH_SIDE * error
    return Measured(n, math.fsum(agreements) / n, max(0.0, low), min(1.0, high))


def measure_at(scored: Iterable[Scored], threshold: float) -> Measured:
    """Measured agreement of the images whose confidence is at or above the threshold."""
    return measure([each.agreement for each in scored if each.confidence >= threshold])


def levels(bins: Iterable[Bin], queue: int) -> list[Level]:
    """Count, share of the queue and expected agreement at every threshold 0, 1 / BINS, …, 1.

    A calibrated confidence is an expected agreement, so the mean confidence of what leaves is that of the flush.
    """
    counts, totals = [0] * (BINS + 1), [0.0] * (BINS + 1)
    for each in bins:
        counts[each.index] += each.count
        totals[each.index] += each.total
    found: list[Level] = []
    count, total = 0, 0.0
    for index in range(BINS, -1, -1):
        count, total = count + counts[index], total + totals[index]
        share = count / queue if queue else 0.0
        found.append(Level(index / BINS, count, share, total / count if count else None))
    return found[::-1]


def lowest_for(found: Sequence[Level], expected: float) -> Level | None:
    """The level that sends most among those that promise at least the expected agreement."""
    return next((level for level in found if level.expected is not None and level.expected >= expected), None)


def savings(
    *, labeled: int, total: int, drawn: int, boxes: int, seconds: float | None, to_flush: int | None = None
) -> Savings:
    """What is saved if the `to_flush` predicted images (all that are not labeled, by default) need no hand.

    `drawn` of the `boxes` in human labels were not taken over from a pre-label; `seconds` is the mean active time an
    image.
    """
    images = total - labeled if to_flush is None else to_flush
    return Savings(
        images=images,
        image_share=images / total if total else 0.0,
        box_share=1 - drawn / boxes if boxes else None,
        hours=images * seconds / 3600 if seconds is not None else None,
    )
