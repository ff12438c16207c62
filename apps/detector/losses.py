"""Quality focal loss (Li et al., arXiv 2006.04388) and generalized IoU (Rezatofighi et al., arXiv 1902.09630)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pairwise_iou_xyxy(first: Tensor, second: Tensor) -> Tensor:
    """(n, m, 4), (n, a, 4) -> (n, m, a)."""
    corner = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    far = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    overlap = (far - corner).clamp(min=0).prod(-1)
    union = _area(first)[:, :, None] + _area(second)[:, None] - overlap
    return overlap / union.clamp(min=1e-6)


def giou_xyxy(first: Tensor, second: Tensor) -> Tensor:
    """Pairs (k, 4), (k, 4) -> (k,) in -1..1."""
    corner, far = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    overlap = (far - corner).clamp(min=0).prod(-1)
    union = (_area(first) + _area(second) - overlap).clamp(min=1e-6)
    hull_corner, hull_far = torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])
    hull = (hull_far - hull_corner).clamp(min=0).prod(-1).clamp(min=1e-6)
    return overlap / union - (hull - union) / hull


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """(…), target quality 0..1 -> the sum."""
    off = (torch.sigmoid(logits) - quality).abs()
    return (F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * off.square()).sum()


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def detection_loss(logits: Tensor, predicted: Tensor, boxes: Tensor, rows: Tensor, firmness: Tensor) -> Tensor:
    """logits (n, a, c), predicted and boxes (n, a, 4), rows and firmness (n, a) -> scalar."""
    positive = firmness > 0
    quality = torch.zeros_like(logits)
    quality.scatter_(2, rows[..., None], firmness[..., None].to(quality.dtype))
    total = firmness.sum().clamp(min=1.0)
    of_class = quality_focal_loss(logits, quality)
    weight = firmness[positive]
    of_box = ((1 - giou_xyxy(predicted[positive], boxes[positive])) * weight).sum()
    return (of_class + 2.0 * of_box) / total
