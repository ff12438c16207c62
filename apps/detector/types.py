"""The plain values that go in and out of the detector."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

ImageSource = Path | Callable[[], bytes]
"""A file, or a function that returns the encoded bytes."""


class UnreadableImage(Exception):
    """An image that cannot be decoded; the message is the reason."""


class NothingToLearn(Exception):
    """A training set without one readable image; the message says what was wrong."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A labeled image: boxes (n, 4) normalized xywh from the top left as displayed, classes (n,) class ids."""

    key: int
    source: ImageSource
    boxes: FloatArray
    classes: IntArray


@dataclass(frozen=True, slots=True)
class Truth:
    """What a person said of an image: boxes (n, 4) normalized xywh, classes (n,) class ids."""

    boxes: FloatArray
    classes: IntArray


@dataclass(frozen=True, slots=True)
class Raw:
    """The candidates of one image, best first: boxes (k, 4) normalized xywh, classes, scores and kept (k,).

    `kept` are those that survive class-wise NMS; of the suppressed only the best few are carried, for calibration.
    """

    key: int
    boxes: FloatArray
    classes: IntArray
    scores: FloatArray
    kept: BoolArray
    embedding: FloatArray


@dataclass(frozen=True, slots=True)
class Predicted:
    """The calibrated prediction of one image: boxes (m, 4) normalized xywh, classes and confidences (m,)."""

    key: int
    boxes: FloatArray
    classes: IntArray
    confidences: FloatArray
    confidence: float
    embedding: FloatArray


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run leaves behind; `skipped` names the reason for every image that could not be read."""

    checkpoint: Path
    onnx: Path
    seconds: float
    steps: int
    images: int
    preset: str
    skipped: dict[int, str] = field(default_factory=dict)
