"""How large the network sees images."""

from pathlib import Path

import numpy as np
import pytest

from apps.detector.canvas import canvas_of
from apps.detector.presets import PRESETS
from apps.detector.types import Sample
from tests.detector.pictures import sample

CPU = PRESETS["cpu"]


def samples(folder: Path, sides: list[tuple[int, float]], size: tuple[int, int] = (160, 120)) -> list[Sample]:
    """A picture an object: its class and the side of its square as a share of the image's."""
    return [
        sample(key, folder / f"{key}.png", [(class_id, (0.1, 0.1, side, side))], size)
        for key, (class_id, side) in enumerate(sides)
    ]


def area_side(canvas: tuple[int, int]) -> float:
    return float((canvas[0] * canvas[1]) ** 0.5)


@pytest.mark.parametrize("size", [(160, 120), (100, 100), (90, 160), (600, 100)])
def test_the_canvas_has_the_shape_of_the_images_within_a_half_and_two(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = canvas_of(samples(tmp_path, [(3, 0.5)] * 3, size), CPU)
    wanted = min(2.0, size[0] / size[1])
    assert width % 32 == height % 32 == 0
    assert width / height == pytest.approx(wanted, rel=0.2)
    assert area_side((width, height)) == pytest.approx(CPU.size, rel=0.06)


def test_small_objects_enlarge_it_as_far_as_the_preset_allows(tmp_path: Path) -> None:
    sides = {side: area_side(canvas_of(samples(tmp_path, [(3, side)] * 3), CPU)) for side in (0.3, 0.075, 0.01)}
    assert sides[0.3] == pytest.approx(CPU.size, rel=0.06)
    assert sides[0.3] < sides[0.075] < sides[0.01]
    assert sides[0.01] == pytest.approx(CPU.largest, rel=0.06)


def test_the_smallest_class_decides_by_its_middling_object(tmp_path: Path) -> None:
    large, small = [(3, 0.4)] * 9, [(8, 0.02), (8, 0.075), (8, 0.3)]
    alone = canvas_of(samples(tmp_path, [(8, 0.075)] * 3), CPU)
    assert canvas_of(samples(tmp_path, large + small), CPU) == alone


def test_two_small_objects_do_not_make_every_image_cost_more(tmp_path: Path) -> None:
    assert canvas_of(samples(tmp_path, [(3, 0.4)] * 9 + [(8, 0.02)] * 2), CPU) == canvas_of(
        samples(tmp_path, [(3, 0.4)] * 9), CPU
    )


def test_images_without_objects_or_without_pixels_leave_the_preset_s_size(tmp_path: Path) -> None:
    broken = Sample(1, lambda: b"no image", np.zeros((0, 4)), np.zeros(0, dtype=int))
    assert area_side(canvas_of([broken], CPU)) == CPU.size
    assert area_side(canvas_of(samples(tmp_path, []), CPU)) == CPU.size


def test_the_preset_of_the_tests_never_grows(tmp_path: Path) -> None:
    assert area_side(canvas_of(samples(tmp_path, [(3, 0.01)] * 5), PRESETS["tiny"])) < 130
