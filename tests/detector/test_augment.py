"""Augmentation moves pixels and boxes together."""

import pytest
import torch

from apps.detector.augment import Augmenter, Tiles, plain

HEIGHT, WIDTH = 96, 128


def tiles(count: int) -> Tiles:
    """Black pictures with one white square each."""
    pixels = torch.zeros(count, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    pixels[:, 30:62, 40:80] = 255
    boxes = torch.tensor([[[40.0, 30.0, 80.0, 62.0], [0.0, 0.0, 0.0, 0.0]]]).repeat(count, 1, 1)
    rows = torch.tensor([[2, -1]]).repeat(count, 1)
    return Tiles(pixels, torch.tensor([[float(WIDTH), float(HEIGHT)]]).repeat(count, 1), boxes, rows)


@pytest.mark.parametrize(("mosaic", "count"), [(False, 8), (True, 32)])
def test_boxes_follow_their_pixels(mosaic: bool, count: int) -> None:
    batch = Augmenter((0.7, 1.4), torch.Generator().manual_seed(1))(tiles(count), mosaic)
    assert batch.images.shape == (8, 3, HEIGHT, WIDTH)
    seen = 0
    for image, boxes, rows in zip(batch.images, batch.boxes, batch.rows, strict=True):
        for (left, top, right, bottom), row in zip(boxes.round().int().tolist(), rows.tolist(), strict=True):
            if row >= 0 and right - left > 6 and bottom - top > 6:
                seen += 1
                inside = image[:, top + 2 : bottom - 2, left + 2 : right - 2]
                assert row == 2
                assert inside.min() > image.amin() + 0.6 * (image.amax() - image.amin())
    assert seen >= 6


def test_boxes_stay_on_the_canvas_and_fillers_come_last() -> None:
    batch = Augmenter((0.5, 2.0), torch.Generator().manual_seed(2))(tiles(64), mosaic=True)
    real = batch.rows >= 0
    assert (batch.boxes[real] >= 0).all()
    assert (batch.boxes[real] <= torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])).all()
    assert (real.int().diff(dim=1) <= 0).all()


def test_the_same_seed_draws_the_same_batch() -> None:
    first, second = (Augmenter((0.7, 1.4), torch.Generator().manual_seed(3))(tiles(4), False) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.boxes, second.boxes)


def test_plain_is_what_prediction_sees() -> None:
    drawn = tiles(2)
    batch = plain(drawn)
    assert torch.equal(batch.images.permute(0, 2, 3, 1).to(torch.uint8), drawn.pixels)
    assert torch.equal(batch.boxes, drawn.boxes)
