"""One ONNX file with normalization, box decoding and the choice of the best boxes inside."""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import STRIDES, DetectorModel
from .predict import Detector
from .types import Pixels

TOP = 300
_BEHIND = 100.0
_OPSET = 18
_OUTPUTS = ("boxes", "scores", "rows", "embedding")
_SCORE_TOLERANCE = 0.02
_BOX_TOLERANCE_PX = 2.0


class ExportMismatch(Exception):
    """The exported file does not say what the network says."""


class Exported(nn.Module):
    """uint8 images (n, h, w, 3) -> boxes (n, k, 4) xyxy as shares of the canvas, scores and rows (n, k), embedding.

    Local peaks come first, each group by falling score.
    """

    share: Tensor

    def __init__(self, model: DetectorModel) -> None:
        super().__init__()
        self.model = model
        self.classes = len(model.config.class_ids)
        self.top = min(TOP, len(model.points) * self.classes)
        self.register_buffer("share", torch.tensor([*model.config.canvas] * 2, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, boxes, embedding = self.model(images.permute(0, 3, 1, 2).float())
        flat = self._peaks_first(logits).flatten(1).topk(self.top).indices
        best = logits.flatten(1).gather(1, flat)
        cells = (flat // self.classes)[..., None].expand(-1, -1, 4)
        chosen = (boxes.gather(1, cells) / self.share).clamp(0, 1)
        return chosen, best.sigmoid(), flat % self.classes, embedding

    def _peaks_first(self, logits: Tensor) -> Tensor:
        """Logits (n, a, c) with those lowered that a neighbor cell tops.

        Twenty objects of fifteen good cells each would fill the 300 places, and what is less sure would never be seen.
        """
        width, height = self.model.config.canvas
        shapes = [(height // stride, width // stride) for stride in STRIDES]
        levels = torch.split(logits.transpose(1, 2), [h * w for h, w in shapes], 2)
        ranked = []
        for level, shape in zip(levels, shapes, strict=True):
            image = level.reshape(-1, self.classes, *shape)
            peak = F.max_pool2d(image, 3, 1, 1)
            ranked.append(torch.where(image >= peak, image, image - _BEHIND).flatten(2))
        return torch.cat(ranked, 2).transpose(1, 2)


def export(model: DetectorModel, path: Path) -> None:
    """Write the file; it carries its class ids and canvas, so nothing else is needed to use it."""
    wrapped = Exported(model).eval().cpu()
    width, height = model.config.canvas
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but takes half a second where its successor takes ten.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped, (example,), str(path), input_names=["images"], output_names=list(_OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in ("images", *_OUTPUTS)}, opset_version=_OPSET, dynamo=False,
        )  # fmt: skip
    graph = onnx.load(path)
    facts = {"class_ids": json.dumps(model.config.class_ids), "canvas": json.dumps(model.config.canvas)}
    onnx.helper.set_model_props(graph, facts)
    onnx.save(graph, path)


def check_parity(model: DetectorModel, path: Path, pixels: Pixels) -> None:
    """Compare network and file on images (n, h, w, 3): the same best boxes with the same scores."""
    with torch.inference_mode():
        outputs = Exported(model).eval().cpu()(torch.from_numpy(pixels))
    mine = [np.asarray(each) for each in outputs]
    theirs = Detector(path, threads=1, cpu_only=True).run(pixels)
    if not all(np.isfinite(each).all() for each in mine):
        raise ExportMismatch("the network does not answer with numbers: its training diverged")
    if np.abs(mine[1] - theirs[1]).max() > _SCORE_TOLERANCE:
        raise ExportMismatch("scores differ between the network and the exported file")
    # Equal scores may swap places, so boxes are compared with the nearest one of the other side.
    side = np.array([*model.config.canvas] * 2)
    sure = mine[1] > np.maximum(_SCORE_TOLERANCE, mine[1][:, -1:])
    gaps = (np.abs(mine[0][:, :, None] - theirs[0][:, None]) * side).max(-1).min(-1)
    if (gaps[sure] > _BOX_TOLERANCE_PX).any():
        raise ExportMismatch("boxes differ between the network and the exported file")
