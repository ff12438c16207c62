"""Odd data: nothing of it may stop a training or a prediction."""

import contextlib
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from apps.detector import presets
from apps.detector.calibrate import fit
from apps.detector.images import MAX_PIXELS, displayed_size
from apps.detector.images import fit as fit_image
from apps.detector.predict import Detector
from apps.detector.train import train
from apps.detector.types import Raw, Sample, Trained, Truth, UnreadableImage
from tests.detector.pictures import draw, encode

BOX = (0, (0.2, 0.2, 0.4, 0.4))


def many(count: int) -> list[tuple[int, tuple[float, float, float, float]]]:
    side = int(np.ceil(count**0.5))
    return [(i % 3, (i % side / side, i // side / side, 0.8 / side, 0.8 / side)) for i in range(count)]


def made(key: int, boxes: list[tuple[int, tuple[float, float, float, float]]], data: bytes | None = None) -> Sample:
    encoded = encode(draw(boxes)) if data is None else data
    places = np.array([box for _, box in boxes], dtype=float).reshape(-1, 4)
    return Sample(key, lambda: encoded, places, np.array([c for c, _ in boxes], dtype=int))


def picture(mode: str, kind: str, size: tuple[int, int] = (160, 120)) -> bytes:
    return encode(draw([BOX], size).convert(mode), kind)


def sixteen_bit() -> bytes:
    gray = np.asarray(draw([BOX]).convert("L")).astype(np.uint16) * 257
    return encode(Image.fromarray(gray))


ODD: dict[str, Callable[[], list[Sample]]] = {
    "one class": lambda: [made(1, [BOX]), made(2, [BOX])],
    "300 boxes in one image": lambda: [made(1, many(300)), made(2, [BOX])],
    "64 px": lambda: [made(1, [BOX], picture("RGB", "PNG", (64, 64)))],
    "12,000 px": lambda: [made(1, [BOX], picture("RGB", "JPEG", (12_000, 3_000)))],
    "a very wide image": lambda: [made(1, [BOX], picture("RGB", "PNG", (2000, 40)))],
    "grayscale": lambda: [made(1, [BOX], picture("L", "JPEG"))],
    "16-bit grayscale": lambda: [made(1, [BOX], sixteen_bit())],
    "CMYK": lambda: [made(1, [BOX], picture("CMYK", "JPEG"))],
    "palette": lambda: [made(1, [BOX], picture("P", "GIF"))],
    "alpha": lambda: [made(1, [BOX], picture("RGBA", "PNG"))],
    "half of the images empty": lambda: [made(1, [BOX]), made(2, [])],
    "only empty images": lambda: [made(1, []), made(2, [])],
    "a box of one pixel and one as large as the image": lambda: [
        made(1, [(0, (0.5, 0.5, 0.006, 0.008)), (1, (0, 0, 1, 1))])
    ],
    "a box without area": lambda: [made(1, [(0, (0.5, 0.5, 0.0, 0.2)), BOX])],
}  # fmt: skip


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether training goes through shows in a few steps."""
    few = dataclasses.replace(presets.PRESETS["tiny"], min_steps=4, max_steps=4, mosaic=0.5)
    monkeypatch.setitem(presets.PRESETS, "tiny", few)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", list(ODD))
def test_training_and_prediction_go_through(name: str, tmp_path: Path) -> None:
    samples = ODD[name]()
    result = train(samples, class_ids=(0, 1, 2) if name != "one class" else (0,), out=tmp_path, preset="tiny")
    assert result.images == len(samples)
    raws = list(Detector(result.onnx, threads=1).predict([(each.key, each.source) for each in samples]))
    assert [raw.key for raw in raws] == [each.key for each in samples]
    for raw in raws:
        assert np.isfinite(raw.boxes).all() and np.isfinite(raw.scores).all()
        assert (raw.boxes >= 0).all() and (raw.boxes[:, :2] + raw.boxes[:, 2:] <= 1 + 1e-6).all()
        assert (raw.boxes[:, 2:] > 0).all()


@pytest.mark.usefixtures("short")
def test_eighty_classes_go_through(tmp_path: Path) -> None:
    ids = list(range(5, 85))
    boxes = [(ids[i], box) for i, (_, box) in enumerate(many(80))]
    samples = [made(1, boxes)]
    result = train(samples, class_ids=ids, out=tmp_path, preset="tiny")
    detector = Detector(result.onnx, threads=1)
    assert detector.class_ids.tolist() == ids
    (raw,) = detector.predict([(1, samples[0].source)])
    assert set(raw.classes) <= set(ids)


def test_three_hundred_overlapping_candidates_are_calibrated_in_time() -> None:
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.random((300, 2)) * 0.5, np.full((300, 2), 0.4)], 1)
    raw = Raw(1, boxes, np.zeros(300, dtype=int), random.random(300), np.ones(300, dtype=bool), np.zeros(4))
    truth = Truth(boxes[:150], np.zeros(150, dtype=int))
    assert 0 < fit([raw] * 6, [truth] * 6).apply(raw).confidence < 1


def test_a_class_that_appears_in_a_later_cycle_is_learned(trained: Trained, tmp_path: Path, pair: list[Sample]) -> None:
    fresh = made(20, [(1, (0.3, 0.3, 0.3, 0.4))])
    assert 1 not in Detector(trained.onnx, threads=1).class_ids
    result = train([*pair, fresh], class_ids=(3, 8, 1), out=tmp_path, preset="tiny")
    (raw,) = Detector(result.onnx, threads=1).predict([(20, fresh.source)])
    assert 1 in raw.classes[raw.scores > 0.2]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "the file is empty"), (b"hello", "cannot identify"), (encode(draw([BOX]), "JPEG")[:900], "truncated")],
    ids=["empty", "text", "truncated"],
)
def test_bytes_that_are_no_image_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        fit_image(lambda: data, (128, 96))


def test_a_stub_of_exif_is_no_crash() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG", exif=b"Exif\0\0II*\0")
    with contextlib.suppress(UnreadableImage):
        assert fit_image(stream.getvalue, (128, 96)).pixels.shape == (96, 128, 3)


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    stream = io.BytesIO()
    Image.new("1", (20_000, MAX_PIXELS // 20_000 + 1)).save(stream, "PNG")
    with pytest.raises(UnreadableImage, match="megapixels|decompression bomb"):
        fit_image(stream.getvalue, (128, 96))


@pytest.mark.parametrize("damaged", [False, True])
def test_an_image_is_turned_as_a_browser_shows_it(damaged: bool) -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 40, 10))
    exif: Any = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: the white top becomes the right side
    exif[0x010E] = "A street"
    if damaged:
        exif = exif.tobytes().replace(b"\x01\x0e", b"\x01\x00")  # a width told as text
    data = encode(image, "JPEG", exif=exif, quality=95)
    assert displayed_size(lambda: data) == (20, 40)
    fitted = fit_image(lambda: data, (20, 40))
    assert (fitted.width, fitted.height) == (20, 40)
    assert fitted.pixels[:, 15:].mean() > 240
    assert fitted.pixels[:, :5].mean() < 15


def test_an_unreadable_image_does_not_stop_a_prediction(trained: Trained, pair: list[Sample]) -> None:
    items = [(1, pair[0].source), (2, lambda: b"junk"), (3, pair[1].source)]
    told: list[tuple[int, str]] = []
    raws = list(
        Detector(trained.onnx, threads=1).predict(items, on_error=lambda key, error: told.append((key, str(error))))
    )
    assert [raw.key for raw in raws] == [1, 3]
    assert [key for key, _ in told] == [2]
    with pytest.raises(UnreadableImage):
        list(Detector(trained.onnx, threads=1).predict(items))
