"""Bring your own detector: it learns colors, in half a screen of numpy, and stands for any model you have.

Choose "external" as the learner of the project's active-learning stage, label a first batch in the browser, then:

    pip install ./sdk numpy pillow
    winnow login https://winnow.example
    python examples/own_detector.py "Count cells"

The server keeps what it is good at: it hands out the labels to learn from and the images to predict, measures the
predictions on images that were held out, calibrates their confidence, and sends the least sure ones to be labeled.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import winnow
from PIL import Image, ImageOps

WIDTH, HEIGHT = 96, 72
BINS = 8
SMALLEST = 30
"""Pixels of the small picture that a box has at least."""


def pixels_of(content: bytes) -> np.ndarray:
    """The picture upright and small: (HEIGHT, WIDTH) of color bins."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    colors = np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX), dtype=np.int64) * BINS // 256
    return (colors[..., 0] * BINS + colors[..., 1]) * BINS + colors[..., 2]


class ColorDetector:
    """How often each color is seen in boxes of each class, and outside of all."""

    def __init__(self) -> None:
        self.paths: list[list[str]] = []
        self.counts = np.ones((1, BINS**3))

    def learn(self, pixels: np.ndarray, labels: list[dict[str, Any]]) -> None:
        classes = np.zeros(pixels.shape, dtype=np.int64)  # 0 is what lies outside
        for label in labels:
            box, path = label["bbox2d"], label["category"][0]
            left, top = round(box["xnorm"] * WIDTH), round(box["ynorm"] * HEIGHT)
            right, bottom = left + round(box["wnorm"] * WIDTH), top + round(box["hnorm"] * HEIGHT)
            classes[top:bottom, left:right] = self._index(path)
        np.add.at(self.counts, (classes, pixels), 1)

    def _index(self, path: list[str]) -> int:
        if path not in self.paths:
            self.paths.append(path)
            self.counts = np.vstack([self.counts, np.full(BINS**3, 0.1)])
        return self.paths.index(path) + 1

    def predict(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Labels in the exchange form, each with a confidence."""
        shares = self.counts / self.counts.sum(axis=0)
        likely = shares[:, pixels]  # (classes, HEIGHT, WIDTH)
        best = likely.argmax(axis=0)
        return [
            self._label(index, region, likely[index])
            for index in range(1, len(self.counts))
            for region in regions(best == index)
        ]

    def _label(self, index: int, region: np.ndarray, likely: np.ndarray) -> dict[str, Any]:
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        filled = region.sum() / ((bottom - top) * (right - left))
        box = {"xnorm": left / WIDTH, "ynorm": top / HEIGHT}
        box |= {"wnorm": (right - left) / WIDTH, "hnorm": (bottom - top) / HEIGHT}
        confidence = float(likely[region].mean() * filled)
        return {"category": [self.paths[index - 1]], "bbox2d": box, "confidence": round(confidence, 4)}


def regions(mask: np.ndarray) -> Iterator[np.ndarray]:
    """The connected parts of a mask that are large enough."""
    left = mask.copy()
    while left.any():
        region = np.zeros_like(left)
        region[np.unravel_index(left.argmax(), left.shape)] = True
        while True:
            grown = region.copy()
            grown[1:] |= region[:-1]
            grown[:-1] |= region[1:]
            grown[:, 1:] |= region[:, :-1]
            grown[:, :-1] |= region[:, 1:]
            grown &= left
            if (grown == region).all():
                break
            region = grown
        left &= ~region
        if region.sum() >= SMALLEST:
            yield region


def run_cycle(project: winnow.Project, *, progress: bool = True) -> dict[str, Any]:
    """One cycle: learn from all that is labeled, predict all that is not, send it back; how it was measured."""
    learning = project.learning
    info = learning.get_learning_info()
    detector = ColorDetector()
    for row in info["labeled"]:
        detector.learn(pixels_of(learning.image(row)), row["labels"])

    def predictions() -> Iterator[dict[str, Any]]:
        for row in info["unlabeled"]:
            yield {"taskId": row["taskId"], "labels": detector.predict(pixels_of(learning.image(row)))}

    failed = learning.update_tasks(info["cycle"], predictions(), progress=progress)
    for each in failed:
        print(f"refused: {each['taskId']}: {each['error']}")
    return project.active_learning.history()[-1]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", help="its active-learning stage has the learner 'external'")
    options = parser.parse_args(arguments)
    cycle = run_cycle(winnow.Client().organization().project(options.project))
    agreement = "not measured yet" if cycle["agreement"] is None else f"{cycle['agreement']:.2f}"
    print(f"cycle {cycle['number']}: agreement {agreement} on {cycle['agreement_n']} held-out images")


if __name__ == "__main__":
    main()
