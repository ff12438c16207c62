"""Monotone maps from a score to a probability: a logistic shrunk to a prior, and isotonic regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .types import FloatArray

_EDGE = 1e-4
_NEWTON_STEPS = 30
_SPREADS = (0.3, 0.5)
_MIN_SLOPE = 0.05


def logit(share: FloatArray) -> FloatArray:
    clipped = np.clip(np.asarray(share, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)))


def sigmoid(value: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(value, dtype=np.float64))))


@dataclass(frozen=True, slots=True)
class Logistic:
    """sigmoid(slope * logit(score) + offset)."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, scores: FloatArray) -> FloatArray:
        return sigmoid(self.slope * logit(scores) + self.offset)

    def reaches(self, share: float) -> float:
        """The score that is worth so much."""
        return float(sigmoid((logit(np.array(share)) - self.offset) / self.slope))

    def to_json(self) -> dict[str, Any]:
        return {"slope": self.slope, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Steps:
    """Linear between the points of an isotonic fit, flat beyond them."""

    scores: tuple[float, ...]
    shares: tuple[float, ...]

    def __call__(self, scores: FloatArray) -> FloatArray:
        return np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.shares)

    def reaches(self, share: float) -> float:
        """The lowest score that is worth so much, or the highest there is."""
        place = int(np.searchsorted(self.shares, share))
        if place in (0, len(self.shares)):
            return self.scores[min(place, len(self.shares) - 1)]
        part = (share - self.shares[place - 1]) / (self.shares[place] - self.shares[place - 1])
        return self.scores[place - 1] + part * (self.scores[place] - self.scores[place - 1])

    def to_json(self) -> dict[str, Any]:
        return {"scores": list(self.scores), "shares": list(self.shares)}


Curve = Logistic | Steps


def curve_from_json(values: dict[str, Any]) -> Curve:
    if "slope" in values:
        return Logistic(values["slope"], values["offset"])
    return Steps(tuple(values["scores"]), tuple(values["shares"]))


def fit_logistic(
    scores: FloatArray,
    hits: FloatArray,
    prior: Logistic,
    weight: float = 1.0,
    spreads: tuple[float, float] = _SPREADS,
) -> Logistic:
    """Maximum a posteriori of Platt's two parameters, normal around the prior; hits are shares 0..1.

    `weight` is how many independent yes-or-no answers one row is worth, `spreads` how far slope and offset may be from
    the prior's.
    """
    x = np.stack([logit(scores), np.ones(len(scores))], 1)
    center = np.array([prior.slope, prior.offset])
    stiffness = np.diag([spread**-2 for spread in spreads])
    at = center.copy()
    for _ in range(_NEWTON_STEPS):
        share = sigmoid(x @ at)
        slope = weight * x.T @ (share - hits) + stiffness @ (at - center)
        curvature = weight * (x * (share * (1 - share))[:, None]).T @ x + stiffness
        step = np.linalg.solve(curvature, slope)
        at = at - step * min(1.0, 1.0 / max(1e-9, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(max(_MIN_SLOPE, float(at[0])), float(at[1]))


def fit_isotonic(scores: FloatArray, hits: FloatArray) -> Steps:
    """Pool adjacent violators; every block leans to one half by a single pseudo-answer, so none says 0 or 1.

    Rows of one score are one. A block holds from its lowest score to its highest.
    """
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    sums = np.bincount(place.ravel(), weights=np.asarray(hits, dtype=np.float64).ravel())
    blocks: list[tuple[float, float, float, float]] = []  # sum of hits, count, lowest and highest score
    for score, hit, count in zip(values.tolist(), sums.tolist(), counts.tolist(), strict=True):
        blocks.append((hit, count, score, score))
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            more, of, _, high = blocks.pop()
            right, among, low, _ = blocks[-1]
            blocks[-1] = right + more, among + of, low, high
    shares = np.maximum.accumulate([(right + 0.5) / (among + 1) for right, among, _, _ in blocks]).tolist()
    points = [
        (score, share)
        for (_, _, low, high), share in zip(blocks, shares, strict=True)
        for score in ((low, high) if low < high else (low,))
    ]
    return Steps(tuple(score for score, _ in points), tuple(share for _, share in points))
