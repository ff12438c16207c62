"""Draws one screw, nut or washer, turned at random, on a transparent ground."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 2
Draw = Callable[[np.random.Generator, ImageDraw.ImageDraw, float, float], None]
Color = tuple[int, int, int, int]

_METALS = ((178, 182, 188), (120, 124, 130), (196, 164, 92), (70, 72, 78), (170, 120, 84))


def sprite(rng: np.random.Generator, name: str, scale: float) -> Image.Image:
    """RGBA, cropped to what is drawn."""
    unit = 56 * scale * OVERSAMPLING
    side = int(4 * unit)
    image = Image.new("RGBA", (side, side))
    _KINDS[name](rng, ImageDraw.Draw(image), side / 2, unit)
    image = image.crop(image.getbbox()).rotate(rng.uniform(0, 360), Image.Resampling.BICUBIC, expand=True)
    if rng.random() < 0.4:
        # Seen at a slant.
        flat = int(image.height * rng.uniform(0.6, 0.95))
        image = image.resize((image.width, flat), Image.Resampling.BICUBIC)
    small = image.resize((image.width // OVERSAMPLING, image.height // OVERSAMPLING), Image.Resampling.LANCZOS)
    return small.crop(small.getbbox())


def _metal(rng: np.random.Generator) -> tuple[int, int, int]:
    base = np.array(_METALS[rng.integers(len(_METALS))]) + rng.normal(0, 8, 3)
    red, green, blue = (int(value) for value in np.clip(base, 20, 235))
    return red, green, blue


def _tone(color: tuple[int, int, int], factor: float) -> Color:
    red, green, blue = (min(255, int(part * factor)) for part in color)
    return red, green, blue, 255


def _ring(center: float, radius: float) -> tuple[float, float, float, float]:
    return center - radius, center - radius, center + radius, center + radius


def _hexagon(center: float, radius: float) -> list[tuple[float, float]]:
    angles = [math.pi / 3 * corner for corner in range(6)]
    return [(center + radius * math.cos(angle), center + radius * math.sin(angle)) for angle in angles]


def _screw(rng: np.random.Generator, draw: ImageDraw.ImageDraw, center: float, unit: float) -> None:
    color = _metal(rng)
    length, half = rng.uniform(1.4, 3.4) * unit, rng.uniform(0.16, 0.24) * unit
    left, right = center - length / 2, center + length / 2
    draw.rectangle((left, center - half, right - half, center + half), fill=_tone(color, 0.9))
    draw.polygon(
        [(right - half, center - half), (right, center), (right - half, center + half)], fill=_tone(color, 0.8)
    )
    pitch = 0.14 * unit
    for place in np.arange(left + 0.5 * unit, right - half, pitch):
        ends = [(place, center - half), (place + 0.6 * pitch, center + half)]
        draw.line(ends, fill=_tone(color, 0.55), width=max(1, int(0.05 * unit)))
    draw.line([(left, center - 0.5 * half), (right - half, center - 0.5 * half)], fill=_tone(color, 1.25), width=2)
    _head(rng, draw, (left, center), 2.2 * half, color)


def _head(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    half: float,
    color: tuple[int, int, int],
) -> None:
    x, y = at
    if rng.random() < 0.5:
        draw.rounded_rectangle((x - 0.7 * half, y - half, x + 0.5 * half, y + half), half / 3, fill=_tone(color, 1.05))
        draw.line([(x - 0.3 * half, y - half), (x - 0.3 * half, y + half)], fill=_tone(color, 1.3), width=3)
    else:
        draw.pieslice((x - half, y - half, x + half, y + half), 90, 270, fill=_tone(color, 1.05))
        draw.line([(x - half, y), (x - 0.4 * half, y)], fill=_tone(color, 0.5), width=max(2, int(half / 4)))


def _nut(rng: np.random.Generator, draw: ImageDraw.ImageDraw, center: float, unit: float) -> None:
    color, radius = _metal(rng), rng.uniform(0.5, 0.8) * unit
    draw.polygon(_hexagon(center, radius), fill=_tone(color, 0.85))
    draw.polygon(_hexagon(center - 0.05 * radius, 0.92 * radius), fill=_tone(color, 1.08))
    hole = rng.uniform(0.45, 0.58) * radius
    draw.ellipse(_ring(center, hole), fill=_tone(color, 0.3))
    draw.ellipse(_ring(center, 0.82 * hole), fill=_tone(color, 0.2))


def _washer(rng: np.random.Generator, draw: ImageDraw.ImageDraw, center: float, unit: float) -> None:
    color, radius = _metal(rng), rng.uniform(0.45, 0.85) * unit
    draw.ellipse(_ring(center, radius), fill=_tone(color, 0.8))
    draw.ellipse(_ring(center - 0.04 * radius, 0.93 * radius), fill=_tone(color, 1.05))
    hole = rng.uniform(0.4, 0.62) * radius
    draw.ellipse(_ring(center, hole), fill=(0, 0, 0, 0))


_KINDS: dict[str, Draw] = {"screw": _screw, "nut": _nut, "washer": _washer}
