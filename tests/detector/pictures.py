"""Small pictures with known boxes, drawn for the detector's tests."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from apps.detector.types import Sample

COLORS = {0: "red", 1: "blue", 2: "yellow"}


def draw(boxes: list[tuple[int, tuple[float, float, float, float]]], size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Class and normalized xywh of each: a rectangle in its class's color, on a fixed noisy ground."""
    noise = np.random.default_rng(7).integers(90, 130, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    pen = ImageDraw.Draw(image)
    for class_id, (x, y, w, h) in boxes:
        left, top = x * size[0], y * size[1]
        pen.rectangle((left, top, left + w * size[0], top + h * size[1]), fill=COLORS[class_id % 3], outline="black")
    return image


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def sample(
    key: int, path: Path, boxes: list[tuple[int, tuple[float, float, float, float]]], size: tuple[int, int] = (160, 120)
) -> Sample:
    """The drawn picture as a file and its truth."""
    path.write_bytes(encode(draw(boxes, size)))
    return Sample(
        key,
        path,
        np.array([box for _, box in boxes], dtype=float).reshape(-1, 4),
        np.array([c for c, _ in boxes], dtype=int),
    )
