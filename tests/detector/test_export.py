"""What is evaluated is what is served: the exported file says what the network says, before and after NMS."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from apps.detector import checkpoint
from apps.detector.boxes import nms
from apps.detector.export import Exported, ExportMismatch, check_parity, export
from apps.detector.images import fit
from apps.detector.predict import NMS_IOU, Detector
from apps.detector.types import Sample, Trained


@pytest.fixture
def pixels(pair: list[Sample], trained: Trained) -> np.ndarray:
    canvas = Detector(trained.onnx, threads=1).canvas
    return np.stack([fit(each.source, canvas).pixels for each in pair])


def outputs(trained: Trained, pixels: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    with torch.inference_mode():
        torch_side = Exported(checkpoint.load(trained.checkpoint)).eval()(torch.from_numpy(pixels))
    return [each.numpy() for each in torch_side], list(Detector(trained.onnx, threads=1).run(pixels))


def test_the_file_equals_the_network_before_nms(trained: Trained, pixels: np.ndarray) -> None:
    mine, theirs = outputs(trained, pixels)
    assert mine[0].shape == theirs[0].shape
    assert mine[0].shape[1] == 300
    np.testing.assert_allclose(mine[1], theirs[1], atol=1e-4)
    np.testing.assert_allclose(mine[3], theirs[3], atol=1e-4)
    top = slice(0, 20)
    np.testing.assert_allclose(mine[0][:, top], theirs[0][:, top], atol=1e-3)
    assert (mine[2][:, top] == theirs[2][:, top]).all()


def test_the_file_equals_the_network_after_nms(trained: Trained, pixels: np.ndarray) -> None:
    mine, theirs = outputs(trained, pixels)
    for image in range(len(pixels)):
        kept = [
            side[0][image][nms(side[0][image], side[1][image], side[2][image], NMS_IOU) & (side[1][image] > 0.1)]
            for side in (mine, theirs)
        ]
        assert len(kept[0]) > 0
        np.testing.assert_allclose(kept[0], kept[1], atol=1e-3)


def test_the_batch_does_not_change_an_answer(trained: Trained, pixels: np.ndarray) -> None:
    detector = Detector(trained.onnx, threads=1)
    together, alone = detector.run(np.concatenate([pixels, pixels[:1]])), detector.run(pixels[:1])
    np.testing.assert_allclose(together[1][0], alone[1][0], atol=1e-5)
    np.testing.assert_allclose(together[1][2], alone[1][0], atol=1e-5)


def test_another_network_is_found_out(trained: Trained, pixels: np.ndarray) -> None:
    model = checkpoint.load(trained.checkpoint)
    with torch.no_grad():
        model.head.classify.bias += 3
    with pytest.raises(ExportMismatch, match="scores"):
        check_parity(model, trained.onnx, pixels)


def test_moved_boxes_are_found_out(trained: Trained, pixels: np.ndarray) -> None:
    model = checkpoint.load(trained.checkpoint)
    with torch.no_grad():
        model.head.regress.bias += 0.4
    with pytest.raises(ExportMismatch, match="boxes"):
        check_parity(model, trained.onnx, pixels)


def test_the_file_needs_nothing_beside_it(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "alone.onnx"
    export(checkpoint.load(trained.checkpoint), path)
    assert [each.name for each in tmp_path.iterdir()] == ["alone.onnx"]
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert session.get_modelmeta().custom_metadata_map.keys() >= {"class_ids", "canvas"}


def test_a_network_that_diverged_is_not_served(trained: Trained, pixels: np.ndarray) -> None:
    model = checkpoint.load(trained.checkpoint)
    with torch.no_grad():
        model.head.regress.bias.fill_(float("nan"))
    with pytest.raises(ExportMismatch, match="diverged"):
        check_parity(model, trained.onnx, pixels)
