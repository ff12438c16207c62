"""Prediction: in order, streaming, the same however it is batched, and without torch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from apps.detector.boxes import iou_xywh
from apps.detector.predict import Detector
from apps.detector.types import ImageSource, Sample, Trained
from tests.detector.pictures import draw, encode


def test_predictions_come_in_order_and_do_not_depend_on_the_batch(trained: Trained, pair: list[Sample]) -> None:
    items = [(key, pair[key % 2].source) for key in range(7)]
    detector = Detector(trained.onnx, threads=1)
    one, four = list(detector.predict(items, batch=1)), list(detector.predict(items, batch=4))
    assert [raw.key for raw in four] == list(range(7))
    for mine, theirs in zip(one, four, strict=True):
        np.testing.assert_allclose(mine.scores[:5], theirs.scores[:5], atol=1e-4)


def test_items_are_read_only_a_few_batches_ahead(trained: Trained, pair: list[Sample]) -> None:
    drawn = 0

    def items() -> Iterator[tuple[int, ImageSource]]:
        nonlocal drawn
        for key in range(500):
            drawn += 1
            yield key, pair[0].source

    stream = Detector(trained.onnx, threads=1).predict(items(), batch=2)
    next(stream)
    assert drawn < 20
    stream.close()


def test_candidates_are_sorted_normalized_and_carry_their_fate(trained: Trained, pair: list[Sample]) -> None:
    (raw,) = Detector(trained.onnx, threads=1).predict([(1, pair[0].source)])
    assert (np.diff(raw.scores) <= 0).all()
    assert raw.kept[0]
    assert (~raw.kept).sum() <= 50
    assert len(raw.boxes) == len(raw.classes) == len(raw.scores) == len(raw.kept)
    assert np.isclose(np.linalg.norm(raw.embedding), 1, atol=1e-3)


def test_pictures_with_other_things_on_them_have_other_embeddings(trained: Trained, pair: list[Sample]) -> None:
    """After training too, which once left what they were read off the same for every image."""
    pictures = [sample.source for sample in pair] + [lambda: encode(draw([]))]
    raws = list(Detector(trained.onnx, threads=1).predict(enumerate([*pictures, pictures[0]])))
    first, second, empty, again = (raw.embedding for raw in raws)
    assert np.allclose(first, again, atol=1e-3)
    for one, other in [(first, second), (first, empty), (second, empty)]:
        assert np.linalg.norm(one - other) > 0.02


def test_boxes_fit_an_image_of_another_shape(trained: Trained) -> None:
    """The picture in the top half of a portrait page: boxes are shares of the page, not of the canvas."""
    page = draw([], (160, 240))
    page.paste(draw([(3, (0.1, 0.1, 0.3, 0.4))]), (0, 0))
    (raw,) = Detector(trained.onnx, threads=1).predict([(1, lambda: encode(page))])
    overlaps = iou_xywh(raw.boxes[:5], np.array([[0.1, 0.05, 0.3, 0.2]]))
    assert overlaps.max() > 0.4


def test_prediction_needs_no_torch(trained: Trained, pair: list[Sample]) -> None:
    code = (
        "import sys; from pathlib import Path; from apps.detector.predict import Detector;"
        "import apps.detector.calibrate, apps.detector.acquire, apps.detector.types, apps.detector.boxes;"
        f"raws = list(Detector(Path({str(trained.onnx)!r}), threads=1).predict([(1, Path({str(pair[0].source)!r}))]));"
        "assert len(raws) == 1; assert not {'torch', 'django'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_provider_is_named(trained: Trained) -> None:
    assert Detector(trained.onnx, cpu_only=True).provider == "CPUExecutionProvider"
