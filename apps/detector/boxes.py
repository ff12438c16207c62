"""Boxes in numpy: IoU, class-wise NMS, matching and agreement. xywh is top-left, width, height; xyxy is corners."""

import numpy as np

from .types import BoolArray, FloatArray, IntArray

MATCH_IOU = 0.5


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """(n, 4) -> (n, 4)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_xywh(boxes: FloatArray) -> FloatArray:
    """(n, 4) -> (n, 4)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def iou_xyxy(first: FloatArray, second: FloatArray) -> FloatArray:
    """(n, 4), (m, 4) -> (n, m); boxes without area overlap nothing."""
    width, height = (
        (np.minimum(first[:, None, axis + 2], second[:, axis + 2]) - np.maximum(first[:, None, axis], second[:, axis]))
        for axis in (0, 1)
    )
    overlap = width.clip(0) * height.clip(0)
    areas = np.prod(first[:, 2:] - first[:, :2], axis=1)[:, None] + np.prod(second[:, 2:] - second[:, :2], axis=1)
    return np.asarray(np.divide(overlap, areas - overlap, out=np.zeros_like(overlap), where=overlap > 0))


def iou_xywh(first: FloatArray, second: FloatArray) -> FloatArray:
    """(n, 4), (m, 4) -> (n, m)."""
    return iou_xyxy(xywh_to_xyxy(first), xywh_to_xyxy(second))


def nms(boxes: FloatArray, scores: FloatArray, classes: IntArray, threshold: float) -> BoolArray:
    """Class-wise greedy suppression: xyxy (n, 4), (n,), (n,) -> which are kept (n,)."""
    order = np.argsort(-scores, kind="stable")
    rivals = np.triu(_rivals(boxes[order].astype(np.float32), classes[order], threshold), 1)
    alive = np.ones(len(order), dtype=np.bool_)
    for place in np.flatnonzero(rivals.any(1)):
        if alive[place]:
            alive &= ~rivals[place]
    kept = np.zeros(len(scores), dtype=np.bool_)
    kept[order[alive]] = True
    return kept


def _rivals(boxes: FloatArray, classes: IntArray, threshold: float) -> BoolArray:
    """Pairs (n, n) of one class that overlap by more than the threshold; column by column, which is far quicker."""
    left, top, right, bottom = boxes.T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    overlap = width.clip(0) * height.clip(0)
    area = (right - left) * (bottom - top)
    # overlap > threshold * (both areas - overlap), without a division
    found = overlap * (1 + threshold) > threshold * (area[:, None] + area)
    return np.asarray(found & (classes[:, None] == classes))


def match(
    boxes: FloatArray,
    classes: IntArray,
    scores: FloatArray,
    truth_boxes: FloatArray,
    truth_classes: IntArray,
    iou: float = MATCH_IOU,
) -> IntArray:
    """Greedy by score, one to one, same class, IoU at least `iou`: for each xywh box its truth's index, or -1."""
    found = np.full(len(boxes), -1, dtype=np.int64)
    if not len(boxes) or not len(truth_boxes):
        return found
    overlaps = iou_xywh(boxes, truth_boxes)
    overlaps[np.asarray(classes)[:, None] != np.asarray(truth_classes)[None, :]] = 0
    for index in np.argsort(-np.asarray(scores), kind="stable"):
        best = int(np.argmax(overlaps[index]))
        if overlaps[index, best] >= iou:
            found[index] = best
            overlaps[:, best] = 0
    return found


def f1(matched: int, predicted: int, true: int) -> float:
    """2t / (predicted + true), 1 where there was nothing to find and nothing was found."""
    return 2 * matched / (predicted + true) if predicted + true else 1.0


def agreement(
    boxes: FloatArray,
    classes: IntArray,
    scores: FloatArray,
    truth_boxes: FloatArray,
    truth_classes: IntArray,
    iou: float = MATCH_IOU,
) -> float:
    """F1 of an image's prediction against its truth (DESIGN 1)."""
    matched = int((match(boxes, classes, scores, truth_boxes, truth_classes, iou) >= 0).sum())
    return f1(matched, len(boxes), len(truth_boxes))
