"""Task-aligned assignment (Feng et al., TOOD, arXiv 2108.07755): which cells learn which box, and how firmly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .losses import pairwise_iou_xyxy

_TOP = 10
_SCORE_POWER, _IOU_POWER = 0.5, 4.0
_MAX_CELLS = 48_000_000


@dataclass(frozen=True, slots=True)
class Assigned:
    """For all cells: the box to learn (n, a, 4) pixel xyxy, its class row (n, a) and the firmness 0..1 (n, a)."""

    boxes: Tensor
    rows: Tensor
    firmness: Tensor


@torch.no_grad()
def assign(scores: Tensor, predicted: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, rows: Tensor) -> Assigned:
    """scores (n, a, c), predicted (n, a, 4), points (a, 2), strides (a,), boxes (n, m, 4), rows (n, m), -1 a filler.

    Works on as many images at once as memory for images x boxes x cells allows, so 300 boxes an image pass.
    """
    count, cells, slots = len(scores), len(points), boxes.shape[1]
    if slots == 0:
        empty = boxes.new_zeros(count, cells)
        return Assigned(torch.zeros_like(predicted), empty.long(), empty)
    chunk = max(1, _MAX_CELLS // (cells * slots))
    parts = [
        _assign(
            scores[i : i + chunk], predicted[i : i + chunk], points, strides, boxes[i : i + chunk], rows[i : i + chunk]
        )
        for i in range(0, count, chunk)
    ]
    return Assigned(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _assign(
    scores: Tensor, predicted: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    cells = len(points)
    real = rows >= 0
    classes = rows.clamp(min=0)
    overlap = pairwise_iou_xyxy(boxes, predicted)  # (n, m, a)
    of_class = scores.transpose(1, 2).gather(1, classes[..., None].expand(-1, -1, cells))
    allowed = _inside(points, strides, boxes) & real[..., None]
    metric = of_class.pow(_SCORE_POWER) * overlap.pow(_IOU_POWER) * allowed
    # Cells without any overlap yet still rank by how near they are, so that every box is learned from the first step.
    metric = metric + allowed * 1e-9 / (1 + _distance(points, boxes))
    best = metric.topk(min(_TOP, cells), dim=2)
    chosen = torch.zeros_like(metric).scatter_(2, best.indices, (best.values > 0).to(metric.dtype)) * metric
    owner_metric, owner = chosen.max(1)  # (n, a): a cell learns the one box it fits best
    mine = torch.zeros_like(chosen).scatter_(1, owner[:, None], 1.0) * (chosen > 0)
    metric, overlap = metric * mine, overlap * mine
    peak = metric.amax(2, keepdim=True).clamp(min=1e-12)
    firmness = (metric / peak * overlap.amax(2, keepdim=True).clamp(min=0.05)).amax(1)
    firmness = torch.where(owner_metric > 0, firmness, 0.0)
    return boxes.gather(1, owner[..., None].expand(-1, -1, 4)), classes.gather(1, owner), firmness


def _inside(points: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """(n, m, a): the cell's center is in the box, which is first grown to the cell's size so that none is too small."""
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2
    smallest = strides.min() / 2
    away = (points - center[:, :, None]).abs()
    return (away <= half[:, :, None].clamp(min=smallest)).all(-1)


def _distance(points: Tensor, boxes: Tensor) -> Tensor:
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    return torch.cdist(center, points.expand(len(boxes), -1, -1))
