"""Somebody else's detector: its scores become confidences; boxes whose image has no score get one (DESIGN 7)."""

from collections.abc import Sequence

import numpy as np

from .calibrate import ISOTONIC_IMAGES, MIN_IMAGES, PRIOR_AGREEMENT, Calibration, expected_agreement
from .curves import fit_isotonic, fit_logistic
from .types import FloatArray


def fit(scores: FloatArray, reached: FloatArray) -> Calibration:
    """The last step of a calibration, which is all that is left to do: from scores (n,) to reached agreement (n,)."""
    images = len(scores)
    if images < MIN_IMAGES:
        return Calibration(held_out=images, missing=MIN_IMAGES - images)
    isotonic = images > ISOTONIC_IMAGES
    curve = fit_isotonic(scores, reached) if isotonic else fit_logistic(scores, reached, PRIOR_AGREEMENT)
    return Calibration(agreement=curve, calibrated=True, held_out=images, missing=0)


def cross_fitted(scores: FloatArray, reached: FloatArray, *, seed: int = 0) -> FloatArray:
    """Confidences of the held-out images themselves (n,), each half calibrated on the other."""
    order = np.random.default_rng(seed).permutation(len(scores))
    halves = order[::2], order[1::2]
    confidence = np.zeros(len(scores))
    for mine, other in (halves, halves[::-1]):
        confidence[mine] = fit(scores[other], reached[other]).agreement(scores[mine])
    return confidence


def expected_score(confidences: Sequence[float]) -> float:
    """The agreement to be expected of boxes that are right with these probabilities; unseen objects as by the prior."""
    return expected_agreement(np.asarray(confidences, dtype=np.float64), np.zeros(0), Calibration().unseen)
