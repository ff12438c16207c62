"""A varied set where labels are easily wasted: half of the pictures hold nothing, and one class of three is rare.

As frames of a film, several pictures in a row show one scene: then the least sure ones are much alike.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("disc", "block", "cross")
RARE_SHARE = 0.05
EMPTY_SHARE = 0.5
SIZE = (192, 144)
_TRIES = 20
_SHAKE = 6
_GRAIN = 4.0
_LEAST_SIDE = 6

Boxes = list[tuple[int, tuple[int, int, int, int]]]
"""The class and (x, y, width, height) of each thing on a picture."""


def write(folder: Path, name: str, numbers: Sequence[int], seed: int = 0, frames: int = 1) -> Path:
    """The pictures of these numbers, `frames` of each scene, and the COCO file of their boxes; the same for a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in numbers:
        picture, boxes = draw(np.random.default_rng([seed, number // frames]))
        if frames > 1:
            picture, boxes = frame(picture, boxes, np.random.default_rng([seed, number // frames, number % frames]))
        picture.save(folder / f"{number:05}.png")
        images.append({"id": number + 1, "file_name": f"{number:05}.png", "width": SIZE[0], "height": SIZE[1]})
        for row, box in boxes:
            place = {"image_id": number + 1, "category_id": row + 1, "bbox": list(box)}
            annotations.append({"id": len(annotations) + 1, **place, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": row + 1, "name": each} for row, each in enumerate(CLASSES)]
    path = folder / name
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def draw(random: np.random.Generator) -> tuple[Image.Image, Boxes]:
    """A scene and what is on it."""
    picture = _ground(random)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(0, 5))):
        ends = [tuple(random.integers(0, SIZE)) for _ in range(2)]
        pen.line([(int(x), int(y)) for x, y in ends], fill=_color(random), width=int(random.integers(1, 4)))
    boxes: Boxes = []
    wanted = 0 if random.random() < EMPTY_SHARE else int(random.integers(1, 5))
    for _ in range(_TRIES):
        if len(boxes) == wanted:
            break
        side = int(random.integers(24, 56))
        x, y = (int(random.integers(0, limit - side)) for limit in SIZE)
        if any(abs(x - a) < max(side, b) and abs(y - c) < max(side, b) for _, (a, c, b, _) in boxes):
            continue
        row = int(random.choice(3, p=((1 - RARE_SHARE) / 2, (1 - RARE_SHARE) / 2, RARE_SHARE)))
        _put(pen, row, x, y, side, _color(random))
        boxes.append((row, (x, y, side, side)))
    noise = random.normal(0, random.uniform(2, 14), (SIZE[1], SIZE[0], 1))
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 1))), np.float32) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), boxes


def frame(picture: Image.Image, boxes: Boxes, random: np.random.Generator) -> tuple[Image.Image, Boxes]:
    """The scene as a shaking camera takes it: moved by a few pixels, with grain of its own."""
    across, down = (int(each) for each in random.integers(-_SHAKE, _SHAKE + 1, 2))
    moved = picture.transform(SIZE, Image.Transform.AFFINE, (1, 0, -across, 0, 1, -down), fillcolor=(127, 127, 127))
    grain = random.normal(0, _GRAIN, (SIZE[1], SIZE[0], 1))
    seen = Image.fromarray((np.asarray(moved, np.float32) + grain).clip(0, 255).astype(np.uint8))
    cut = [(row, _cut(x + across, y + down, width, height)) for row, (x, y, width, height) in boxes]
    return seen, [(row, box) for row, box in cut if min(box[2:]) >= _LEAST_SIDE]


def _cut(x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    """What of a box lies on the picture."""
    left, top = max(0, x), max(0, y)
    return left, top, min(SIZE[0], x + width) - left, min(SIZE[1], y + height) - top


def _ground(random: np.random.Generator) -> Image.Image:
    """Flat, stripes or blotches, light or dark."""
    base = random.uniform(60, 200) + random.uniform(-20, 20, 3)
    down, across = np.mgrid[: SIZE[1], : SIZE[0]]
    turn = random.uniform(0, np.pi)
    stripes = np.sin((across * np.cos(turn) + down * np.sin(turn)) / random.uniform(2, 12)) * random.uniform(0, 18)
    small = Image.fromarray(random.integers(0, 255, (5, 7), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    blotches = (np.asarray(small, np.float32) - 127) * random.uniform(0, 0.25)
    return Image.fromarray((base + (stripes + blotches)[..., None]).clip(0, 255).astype(np.uint8))


def _color(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _put(pen: ImageDraw.ImageDraw, row: int, x: int, y: int, side: int, color: tuple[int, int, int]) -> None:
    corners = (x, y, x + side - 1, y + side - 1)
    if row == 0:
        pen.ellipse(corners, fill=color, outline="black")
    elif row == 1:
        pen.rectangle(corners, fill=color, outline="black")
    else:
        third = side // 3
        pen.rectangle((x + third, y, x + side - 1 - third, y + side - 1), fill=color)
        pen.rectangle((x, y + third, x + side - 1, y + side - 1 - third), fill=color)
