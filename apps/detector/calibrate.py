"""From candidates to a confidence that means what it says: the agreement to be expected (DESIGN 7)."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .boxes import agreement, match
from .curves import Curve, Logistic, curve_from_json, fit_isotonic, fit_logistic
from .types import BoolArray, FloatArray, Predicted, Raw, Truth

MIN_IMAGES, MIN_BOXES = 5, 50
ISOTONIC_BOXES = 300
ISOTONIC_IMAGES = 300
MAX_DROPPED = 50
WORTH_SHOWING = 0.5
"""A box is predicted if it is at least so likely to match: wrongly shown it costs an edit, and so it does left out."""

# Measured on held-out blood cells: quality focal scores are too shy above a half and too bold below it.
PRIOR_MATCHED = Logistic(2.5, 0.3)
PRIOR_MISSED = Logistic(2.5, 0.0)
PRIOR_SUPPRESSED = Logistic(0.7, -3.8)
PRIOR_AGREEMENT = Logistic(1.0, 0.0)
_PRIOR_UNSEEN, _PRIOR_UNSEEN_IMAGES = 0.3, 3.0
_LOWEST_SCORE = 0.1
_NEGLIGIBLE = 1e-4
_ANSWERS_PER_BOX = 0.5  # boxes of one image are right and wrong together
_AGREEMENT_SPREADS = (0.2, 0.2)
_PRIOR_SCATTER, _PRIOR_SCATTER_IMAGES = 0.13, 10.0
_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """Boxes scored at or above `cut` are predicted; the curves say what their score and the others' is worth."""

    matched: Curve = PRIOR_MATCHED
    missed: Curve = PRIOR_MISSED
    suppressed: Curve = PRIOR_SUPPRESSED
    agreement: Curve = PRIOR_AGREEMENT
    unseen: float = _PRIOR_UNSEEN
    cut: float = PRIOR_MATCHED.reaches(WORTH_SHOWING)
    calibrated: bool = False
    held_out: int = 0
    missing: int = MIN_IMAGES

    def apply(self, raw: Raw) -> Predicted:
        """The prediction of an image with its calibrated confidence."""
        kept, dropped = split(raw, self.cut)
        shares = self.matched(raw.scores[kept])
        expected = expected_agreement(shares, self._missed_shares(raw, dropped), self.unseen)
        confidence = float(self.agreement(np.array([expected]))[0])
        return Predicted(raw.key, raw.boxes[kept], raw.classes[kept], shares, confidence, raw.embedding)

    def expected(self, raw: Raw) -> float:
        """The expected agreement before the last correction."""
        kept, dropped = split(raw, self.cut)
        return expected_agreement(self.matched(raw.scores[kept]), self._missed_shares(raw, dropped), self.unseen)

    def _missed_shares(self, raw: Raw, dropped: BoolArray) -> FloatArray:
        scores, survived = raw.scores[dropped], raw.kept[dropped]
        return np.where(survived, self.missed(scores), self.suppressed(scores))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a JSON column."""
        return {
            "matched": self.matched.to_json(),
            "missed": self.missed.to_json(),
            "suppressed": self.suppressed.to_json(),
            "agreement": self.agreement.to_json(),
            "unseen": self.unseen,
            "cut": self.cut,
            "calibrated": self.calibrated,
            "held_out": self.held_out,
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Calibration":
        curves = {name: curve_from_json(values[name]) for name in ("matched", "missed", "suppressed", "agreement")}
        return cls(**{**values, **curves})


def split(raw: Raw, cut: float) -> tuple[BoolArray, BoolArray]:
    """Which candidates are predicted, and which at most 50 others may be objects all the same."""
    kept = raw.kept & (raw.scores >= cut)
    rest = np.flatnonzero(~kept)
    dropped = np.zeros(len(raw.scores), dtype=np.bool_)
    dropped[rest[np.argsort(-raw.scores[rest], kind="stable")[:MAX_DROPPED]]] = True
    return kept, dropped


def expected_agreement(p: FloatArray, q: FloatArray, lam: float) -> float:
    """E[2t / (K + t + m)] with t ~ PoissonBinomial(p), m ~ PoissonBinomial(q) + Poisson(lam), K = len(p)."""
    count = len(p)
    small = np.asarray(q) < _NEGLIGIBLE
    matched = _poisson_binomial(np.asarray(p))
    others = np.convolve(_poisson_binomial(np.asarray(q)[~small]), _poisson(lam + float(np.asarray(q)[small].sum())))
    t, m = np.arange(len(matched))[:, None], np.arange(len(others))[None]
    true = t + m
    share = np.where(count + true > 0, 2 * t / np.maximum(1, count + true), 1.0)
    return float(matched @ share @ others)


def _poisson_binomial(shares: FloatArray) -> FloatArray:
    """How likely 0, 1, … of independent events are (len(shares) + 1,)."""
    law = np.ones(1)
    for share in shares:
        law = np.convolve(law, (1 - share, share))
    return law


def _poisson(mean: float) -> FloatArray:
    last = math.ceil(mean + 8 * math.sqrt(mean) + 4)
    steps = np.log(max(mean, 1e-300)) - np.log(np.arange(1, last + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])  # exp(-mean) alone is 0 from a mean of 746 on
    law = np.exp(logs - logs.max())
    return np.asarray(law / law.sum())


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the truth said about the candidates that are not predicted."""

    missed: tuple[FloatArray, FloatArray]
    suppressed: tuple[FloatArray, FloatArray]
    unseen: int


def fit(raws: Sequence[Raw], truths: Sequence[Truth]) -> Calibration:
    """Calibrate on held-out images: the shipped prior first, a shrunk logistic later, isotonic with enough boxes.

    From five images on the prior gives way to what there is, as little as that may be; below 50 boxes the result does
    not count as calibrated yet. The last curve is fitted to what is expected of images by boxes' curves that have not
    seen them; fitted to its own images it took a few lucky ones at their word.
    """
    images, boxes = len(raws), sum(len(truth.boxes) for truth in truths)
    missing = _missing(images, boxes)
    if images < MIN_IMAGES:
        return Calibration(held_out=images, missing=missing)
    expected, reached = np.zeros(images), np.zeros(images)
    for fold in range(min(_FOLDS, images)):
        mine = range(fold, images, _FOLDS)
        others = [place for place in range(images) if place % _FOLDS != fold]
        boxed = _fit_boxes([raws[place] for place in others], [truths[place] for place in others])
        for place in mine:
            expected[place] = boxed.expected(raws[place])
            reached[place] = _agreement(raws[place], truths[place], boxed.cut)
    return dataclasses.replace(
        _fit_boxes(raws, truths), agreement=_agreement_curve(expected, reached),
        calibrated=missing == 0, held_out=images, missing=missing,
    )  # fmt: skip


def _fit_boxes(raws: Sequence[Raw], truths: Sequence[Truth]) -> Calibration:
    """Everything but the last curve."""
    free = sum(len(truth.boxes) for truth in truths) > ISOTONIC_BOXES
    matched = _curve(*_survivors(raws, truths), PRIOR_MATCHED, free)
    cut = matched.reaches(WORTH_SHOWING)
    answers = _ask(raws, truths, cut)
    return Calibration(
        matched=matched,
        missed=_curve(*answers.missed, PRIOR_MISSED, free),
        suppressed=_curve(*answers.suppressed, PRIOR_SUPPRESSED, free),
        unseen=(answers.unseen + _PRIOR_UNSEEN * _PRIOR_UNSEEN_IMAGES) / (len(raws) + _PRIOR_UNSEEN_IMAGES),
        cut=cut,
    )


def cross_fitted(raws: Sequence[Raw], truths: Sequence[Truth], *, seed: int = 0) -> list[Predicted]:
    """Predictions of the held-out images themselves, each half calibrated on the other, in the given order."""
    order = np.random.default_rng(seed).permutation(len(raws))
    halves = order[::2], order[1::2]
    predicted: dict[int, Predicted] = {}
    for mine, other in (halves, halves[::-1]):
        calibration = fit([raws[i] for i in other], [truths[i] for i in other])
        predicted |= {int(i): calibration.apply(raws[i]) for i in mine}
    return [predicted[i] for i in range(len(raws))]


def calibration_error(confidence: FloatArray, reached: FloatArray, bins: int = 5) -> float:
    """Mean gap between confidence and agreement over bins of equal mass."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(float(np.mean(confidence[part]) - np.mean(reached[part]))) for part in parts]
    return sum(gaps) / len(order) if len(order) else 0.0


def _missing(images: int, boxes: int) -> int:
    """How many more held-out images it takes, at the boxes an image seen so far (one, where that says too little)."""
    if images == 0:
        return MIN_IMAGES
    return max(0, MIN_IMAGES - images, math.ceil((MIN_BOXES - boxes) / max(1.0, boxes / images)))


def _agreement(raw: Raw, truth: Truth, cut: float) -> float:
    kept, _ = split(raw, cut)
    return agreement(raw.boxes[kept], raw.classes[kept], raw.scores[kept], truth.boxes, truth.classes)


def _survivors(raws: Sequence[Raw], truths: Sequence[Truth]) -> tuple[FloatArray, FloatArray]:
    """Scores and hits of what NMS kept: greedy matching by score is the same below any cut."""
    scores: list[FloatArray] = [np.zeros(0)]
    hits: list[FloatArray] = [np.zeros(0)]
    for raw, truth in zip(raws, truths, strict=True):
        some = raw.kept & (raw.scores >= _LOWEST_SCORE)
        found = match(raw.boxes[some], raw.classes[some], raw.scores[some], truth.boxes, truth.classes)
        scores.append(raw.scores[some])
        hits.append((found >= 0).astype(np.float64))
    return np.concatenate(scores), np.concatenate(hits)


def _ask(raws: Sequence[Raw], truths: Sequence[Truth], cut: float) -> _Answers:
    parts: dict[str, list[tuple[FloatArray, FloatArray]]] = {"missed": [], "suppressed": []}
    unseen = 0
    for raw, truth in zip(raws, truths, strict=True):
        kept, dropped = split(raw, cut)
        found = match(raw.boxes[kept], raw.classes[kept], raw.scores[kept], truth.boxes, truth.classes)
        left = np.setdiff1d(np.arange(len(truth.boxes)), found)
        late = match(
            raw.boxes[dropped], raw.classes[dropped], raw.scores[dropped], truth.boxes[left], truth.classes[left]
        )
        unseen += len(left) - int((late >= 0).sum())
        survived, hits = raw.kept[dropped], (late >= 0).astype(np.float64)
        parts["missed"].append((raw.scores[dropped][survived], hits[survived]))
        parts["suppressed"].append((raw.scores[dropped][~survived], hits[~survived]))
    joined = {name: _joined(pairs) for name, pairs in parts.items()}
    return _Answers(**joined, unseen=unseen)


def _joined(pairs: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([scores for scores, _ in pairs]), np.concatenate([hits for _, hits in pairs])


def _curve(scores: FloatArray, hits: FloatArray, prior: Logistic, free: bool) -> Curve:
    return fit_isotonic(scores, hits) if free and len(scores) else fit_logistic(scores, hits, prior, _ANSWERS_PER_BOX)


def _agreement_curve(expected: FloatArray, reached: FloatArray) -> Curve:
    if len(expected) > ISOTONIC_IMAGES:
        return fit_isotonic(expected, reached)
    return fit_logistic(expected, reached, PRIOR_AGREEMENT, _answers_per_image(expected, reached), _AGREEMENT_SPREADS)


def _answers_per_image(expected: FloatArray, reached: FloatArray) -> float:
    """One over the scatter of agreement around what was expected, in units of a yes-or-no answer's, shrunk to a prior.

    The agreement of an image with a dozen boxes scatters far less than a yes or no would.
    """
    share = expected.clip(0.02, 0.98)
    scatter = float(((reached - share) ** 2 / (share * (1 - share))).sum())
    return (len(share) + _PRIOR_SCATTER_IMAGES) / (scatter + _PRIOR_SCATTER * _PRIOR_SCATTER_IMAGES)
