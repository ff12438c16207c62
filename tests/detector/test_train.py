"""What training promises: it learns, reports, stops when told, and lets one bad image pass."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from apps.detector.boxes import agreement
from apps.detector.cache import PixelCache
from apps.detector.images import GRAY
from apps.detector.predict import Detector
from apps.detector.train import train
from apps.detector.types import NothingToLearn, Sample, Trained, UnreadableImage
from tests.detector.conftest import CLASSES


def encoded(sample: Sample) -> bytes:
    assert isinstance(sample.source, Path)
    return sample.source.read_bytes()


def heart(trained: Trained, samples: list[Sample], cut: float = 0.4) -> list[float]:
    """The agreement on each sample."""
    detector = Detector(trained.onnx, threads=1)
    raws = list(detector.predict([(each.key, each.source) for each in samples]))
    kept = [raw.kept & (raw.scores >= cut) for raw in raws]
    return [
        agreement(raw.boxes[k], raw.classes[k], raw.scores[k], each.boxes, each.classes)
        for raw, k, each in zip(raws, kept, samples, strict=True)
    ]


def test_two_images_are_learned_by_heart(trained: Trained, pair: list[Sample]) -> None:
    assert heart(trained, pair) == [1.0, 1.0]
    assert trained.images == 2
    assert trained.preset == "tiny"
    assert trained.skipped == {}


def test_only_checkpoint_and_onnx_are_left_behind(trained: Trained) -> None:
    assert sorted(path.name for path in trained.onnx.parent.iterdir()) == ["checkpoint.pt", "model.onnx"]


def test_the_same_seed_gives_the_same_weights(pair: list[Sample], trained: Trained, out: Path) -> None:
    again = train(pair, class_ids=CLASSES, out=out, preset="tiny")
    mine, theirs = (torch.load(each.checkpoint, weights_only=True)["weights"] for each in (again, trained))
    assert all(torch.allclose(mine[name], theirs[name], atol=1e-3) for name in mine)


def test_progress_is_reported_and_may_cancel(pair: list[Sample], out: Path) -> None:
    told: list[tuple[int, int, str]] = []

    class CanceledError(Exception):
        pass

    def progress(done: int, total: int, message: str) -> None:
        told.append((done, total, message))
        if message.startswith("Training"):
            raise CanceledError

    with pytest.raises(CanceledError):
        train(pair, class_ids=CLASSES, out=out, preset="tiny", progress=progress)
    assert told[-1][0] <= told[-1][1]
    assert list(out.iterdir()) == []


def test_an_image_that_goes_away_in_mid_training_is_named_and_the_rest_is_learned_from(
    pair: list[Sample], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.detector.train.PixelCache", partial(PixelCache, cap=0))  # nothing is kept decoded
    readings: list[bytes] = []

    def trickle() -> bytes:
        readings.append(encoded(pair[0]))
        if len(readings) > 3:
            raise UnreadableImage("the bucket has gone")
        return readings[-1]

    leaving = replace(pair[0], key=7, source=trickle)
    trained = train([leaving, pair[1]], class_ids=CLASSES, out=out, preset="tiny")
    assert len(readings) > 4
    assert trained.skipped == {7: "the bucket has gone"}
    assert heart(trained, pair[1:]) == [1.0]


def test_what_can_be_read_again_is_no_longer_named(pair: list[Sample], tmp_path: Path) -> None:
    good = encoded(pair[0])
    answers = [good, good, b"", good]
    sample = replace(pair[0], source=lambda: answers.pop(0))
    cache = PixelCache(tmp_path / "pixels", [sample.source], (64, 48), cap=0)
    cache.fill(lambda done: None)
    place = np.array([0])
    whole = cache.read(place)
    assert (whole != GRAY).any()
    assert (cache.read(place) == GRAY).all() and list(cache.errors) == [0]
    assert (cache.read(place) == whole).all() and not cache.errors


def test_an_unreadable_image_is_skipped_and_named(pair: list[Sample], out: Path) -> None:
    broken = Sample(99, lambda: b"not an image", np.zeros((0, 4)), np.zeros(0, dtype=int))
    told: list[str] = []
    result = train(
        [broken, *pair], class_ids=CLASSES, out=out, preset="tiny", progress=lambda done, total, text: told.append(text)
    )
    assert list(result.skipped) == [99]
    assert "cannot identify" in result.skipped[99]
    assert result.images == 2
    assert "Skipped 1 unreadable images" in told
    assert heart(result, pair) == [1.0, 1.0]


def test_without_one_readable_image_training_says_why(out: Path) -> None:
    broken = Sample(1, lambda: b"", np.zeros((0, 4)), np.zeros(0, dtype=int))
    with pytest.raises(NothingToLearn, match="the file is empty"):
        train([broken], class_ids=(0,), out=out, preset="tiny")


def test_a_class_without_a_single_box_yet_takes_its_row(pair: list[Sample], out: Path) -> None:
    result = train(pair, class_ids=(3, 4, 8), out=out, preset="tiny")
    assert Detector(result.onnx, threads=1).class_ids.tolist() == [3, 4, 8]
    assert heart(result, pair) == [1.0, 1.0]
