"""How large the network sees images: by the device's preset, more where the objects are small."""

import logging
import math
from collections.abc import Sequence

import numpy as np

from .images import displayed_size
from .presets import Preset
from .types import Sample, UnreadableImage

logger = logging.getLogger(__name__)

OBJECT_SIDE = 29.0
"""Pixels that a middling object of the smallest class should measure on the canvas: some four of the finest cells."""

_ASPECT_SAMPLE = 64
_CELL = 32
_SMALLEST = 64
_FEWEST = 3


def canvas_of(samples: Sequence[Sample], preset: Preset) -> tuple[int, int]:
    """Width and height, multiples of 32, shaped like the middle one of the images.

    They make the square of `preset.size`, or of as much more, up to `preset.largest`, as the smallest class needs.
    """
    side = min(preset.largest, max(preset.size, _side_wanted(samples)))
    root = math.sqrt(min(2.0, max(0.5, _middle_aspect(samples))))
    return _in_cells(side * root), _in_cells(side / root)


def _side_wanted(samples: Sequence[Sample]) -> float:
    """The side of a square canvas on which the smallest class is large enough, 0 where nothing is known.

    A class of two objects says too little of its size to make every image cost more.
    """
    boxes = np.concatenate([np.zeros((0, 4)), *(sample.boxes for sample in samples)])
    classes = np.concatenate([np.zeros(0, dtype=int), *(sample.classes for sample in samples)])
    shares = np.sqrt(boxes[:, 2] * boxes[:, 3])
    known = [shares[classes == each] for each in np.unique(classes)]
    middles = [float(np.median(each)) for each in known if len(each) >= _FEWEST]
    return OBJECT_SIDE / max(min(middles), 1e-6) if middles else 0.0


def _middle_aspect(samples: Sequence[Sample]) -> float:
    aspects = []
    for sample in samples[:: max(1, len(samples) // _ASPECT_SAMPLE)]:
        try:
            width, height = displayed_size(sample.source)
        except (UnreadableImage, OSError) as error:
            logger.info("Image %s tells no size: %s", sample.key, error)
        else:
            aspects.append(width / height)
    return float(np.median(aspects)) if aspects else 1.0


def _in_cells(length: float) -> int:
    return max(_SMALLEST, round(length / _CELL) * _CELL)
