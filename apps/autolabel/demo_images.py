"""Generated pictures of a workbench with screws, nuts and washers, and the exact box of each."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from apps.autolabel import demo_parts

CLASSES = ("screw", "nut", "washer")
COMMON = (0.45, 0.35, 0.2)
RARE = (0.6, 0.38, 0.02)
"""Shares of the classes where the last one is rare."""
_EMPTY_SHARE = 0.15
_VISIBLE_SHARE = 0.5
_MIN_SIDE = 6

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """A class of CLASSES and its visible box in whole pixels (left, top, width, height)."""

    name: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    width: int
    height: int
    jpeg: bytes
    parts: list[Part]

    def normalized(self) -> list[tuple[str, list[float]]]:
        """(class, [x, y, w, h] in shares of the picture) of each part."""
        sides = (self.width, self.height, self.width, self.height)
        return [(part.name, [a / b for a, b in zip(part.box, sides, strict=True)]) for part in self.parts]


@dataclass(slots=True)
class _Placed:
    name: str
    mask: Mask
    area: int = field(init=False)

    def __post_init__(self) -> None:
        self.area = int(self.mask.sum())


def pictures(count: int, *, seed: int = 0, shares: Sequence[float] = COMMON) -> Iterator[Picture]:
    """The same `count` pictures for the same seed, one at a time."""
    for index in range(count):
        yield picture(index, seed=seed, shares=shares)


def write(folder: Path, count: int, *, seed: int = 0, shares: Sequence[float] = COMMON, first: int = 0) -> Path:
    """Pictures as files, and their truth as the COCO file whose path is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(first, first + count):
        made = picture(index, seed=seed, shares=shares)
        (folder / made.name).write_bytes(made.jpeg)
        images.append({"id": index + 1, "file_name": made.name, "width": made.width, "height": made.height})
        for part in made.parts:
            row = {"image_id": index + 1, "category_id": CLASSES.index(part.name) + 1, "bbox": list(part.box)}
            area = part.box[2] * part.box[3]
            annotations.append({"id": len(annotations) + 1, **row, "area": area, "iscrowd": 0})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    path = folder / f"{first}-{first + count - 1}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def picture(index: int, *, seed: int = 0, shares: Sequence[float] = COMMON) -> Picture:
    rng = np.random.default_rng([seed, index])
    width, height = ((640, 480), (480, 640), (640, 640))[rng.choice(3, p=(0.6, 0.2, 0.2))]
    canvas = _background(rng, width, height)
    _clutter(rng, canvas)
    placed = [] if rng.random() < _EMPTY_SHARE else _parts(rng, canvas, shares)
    image = _photograph(rng, canvas)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(70, 93)))
    parts = [Part(each.name, _box(each.mask)) for each in placed]
    return Picture(f"bench-{index:04}.jpg", width, height, stream.getvalue(), parts)


def _background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Wood, cloth, steel or paper, with stains."""
    base = rng.uniform(70, 215) + rng.uniform(-25, 25, 3)
    across = np.arange(width, dtype=np.float32)[None, :]
    down = np.arange(height, dtype=np.float32)[:, None]
    kind = rng.integers(4)
    pattern = np.zeros((height, width), np.float32)
    if kind == 0:
        waves = down / rng.uniform(3, 9) + 3 * np.sin(across / rng.uniform(60, 160) + rng.uniform(0, 6))
        pattern = rng.uniform(4, 9) * np.sin(waves)
    elif kind == 1:
        period = rng.uniform(4, 9)
        pattern = 4 * (np.sin(across * 2 * math.pi / period) + np.sin(down * 2 * math.pi / period))
    elif kind == 2:
        pattern = np.repeat(rng.normal(0, 5, (height, 1)), width, 1).astype(np.float32)
    rough = Image.fromarray(rng.integers(0, 255, (height // 80 + 2, width // 80 + 2), dtype=np.uint8))
    stains = np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC), np.float32) - 127
    shade = base[None, None, :] + (pattern + rng.uniform(0.05, 0.2) * stains)[..., None]
    return Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8))


def _clutter(rng: np.random.Generator, canvas: Image.Image) -> None:
    """What looks a little like parts and is none: wires, rods, coins, tape."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(0, 7)):
        color = tuple(int(value) for value in rng.integers(20, 235, 3))
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
        kind = rng.integers(4)
        if kind == 0:
            draw.line(_curve(rng, x, y), fill=color, width=int(rng.integers(2, 7)), joint="curve")
        elif kind == 1:
            angle, length = rng.uniform(0, math.pi), rng.uniform(40, 220)
            end = (x + length * math.cos(angle), y + length * math.sin(angle))
            draw.line([(x, y), end], fill=color, width=int(rng.integers(4, 14)))
        elif kind == 2:
            radius = rng.uniform(6, 34)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        else:
            wide, high = rng.uniform(20, 140), rng.uniform(15, 60)
            draw.rectangle((x, y, x + wide, y + high), fill=color)


def _curve(rng: np.random.Generator, x: float, y: float) -> list[tuple[float, float]]:
    angle, points = rng.uniform(0, 2 * math.pi), [(x, y)]
    for _ in range(30):
        angle += rng.normal(0, 0.35)
        x, y = x + 12 * math.cos(angle), y + 12 * math.sin(angle)
        points.append((x, y))
    return points


def _parts(rng: np.random.Generator, canvas: Image.Image, shares: Sequence[float]) -> list[_Placed]:
    """Parts lie where they fall; one that would hide half of another is not put there."""
    placed: list[_Placed] = []
    crowd = int(rng.choice((1, 3, 6, 10, 16), p=(0.15, 0.3, 0.3, 0.17, 0.08)))
    scale = rng.uniform(0.5, 1.4) if crowd < 10 else rng.uniform(0.35, 0.8)
    heap = (rng.uniform(0.3, 0.7) * canvas.width, rng.uniform(0.3, 0.7) * canvas.height)
    spread = rng.uniform(0.12, 0.45) * min(canvas.size)
    for _ in range(crowd):
        name = CLASSES[rng.choice(len(CLASSES), p=shares)]
        sprite = demo_parts.sprite(rng, name, scale * rng.uniform(0.75, 1.3))
        center = rng.normal(heap, spread)
        left, top = (int(center[axis]) - sprite.size[axis] // 2 for axis in (0, 1))
        mask = np.zeros((canvas.height, canvas.width), np.bool_)
        _paste_mask(mask, np.asarray(sprite.getchannel("A")) > 127, left, top)
        if _fits(mask, sprite, placed):
            for other in placed:
                other.mask &= ~mask
            _drop_shadow(rng, canvas, sprite, left, top)
            canvas.paste(sprite, (left, top), sprite)
            placed.append(_Placed(name, mask))
    return placed


def _paste_mask(mask: Mask, of_sprite: Mask, left: int, top: int) -> None:
    height, width = mask.shape
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + of_sprite.shape[1], width), min(top + of_sprite.shape[0], height)
    if x0 < x1 and y0 < y1:
        mask[y0:y1, x0:x1] = of_sprite[y0 - top : y1 - top, x0 - left : x1 - left]


def _fits(mask: Mask, sprite: Image.Image, placed: list[_Placed]) -> bool:
    whole = int((np.asarray(sprite.getchannel("A")) > 127).sum())
    if mask.sum() < _VISIBLE_SHARE * whole or min(_box(mask)[2:]) < _MIN_SIDE:
        return False
    return all(int((each.mask & ~mask).sum()) >= _VISIBLE_SHARE * each.area for each in placed)


def _box(mask: Mask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def _drop_shadow(rng: np.random.Generator, canvas: Image.Image, sprite: Image.Image, left: int, top: int) -> None:
    margin = 12
    shadow = Image.new("L", (sprite.width + 2 * margin, sprite.height + 2 * margin))
    shadow.paste(sprite.getchannel("A").point(lambda alpha: alpha * 0.45), (margin, margin))
    shadow = shadow.filter(ImageFilter.GaussianBlur(4))
    shift = rng.integers(1, 7, 2)
    canvas.paste((0, 0, 0), (left - margin + int(shift[0]), top - margin + int(shift[1])), shadow)


def _photograph(rng: np.random.Generator, canvas: Image.Image) -> Image.Image:
    """Uneven light, a color cast, a lens out of focus or a moved hand, noise."""
    pixels = np.asarray(canvas, np.float32)
    height, width = pixels.shape[:2]
    slope = rng.uniform(-0.35, 0.35, 2)
    light = 1 + slope[0] * np.linspace(-1, 1, width)[None, :] + slope[1] * np.linspace(-1, 1, height)[:, None]
    pixels = pixels * light[..., None] * rng.uniform(0.7, 1.2) * (1 + rng.uniform(-0.08, 0.08, 3))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 2.2)))
    if rng.random() < 0.12:
        image = image.filter(ImageFilter.BoxBlur((int(rng.integers(2, 5)), 0)))
    noise = rng.uniform(1, 11) * rng.standard_normal((height, width, 1), np.float32)
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8))
