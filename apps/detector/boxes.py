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
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    far = np.minimum(first[:, None, 2:], second[None, :, 2:])
    overlap = np.prod(np.clip(far - corner, 0, None), axis=2)
    areas = np.prod(first[:, 2:] - first[:, :2], axis=1)[:, None] + np.prod(second[:, 2:] - second[:, :2], axis=1)
    return np.asarray(np.divide(overlap, areas - overlap, out=np.zeros_like(overlap), where=overlap > 0))


def iou_xywh(first: FloatArray, second: FloatArray) -> FloatArray:
    """(n, 4), (m, 4) -> (n, m)."""
    return iou_xyxy(xywh_to_xyxy(first), xywh_to_xyxy(second))


def nms(boxes: FloatArray, scores: FloatArray, classes: IntArray, threshold: float) -> BoolArray:
    """Class-wise greedy suppression: xyxy (n, 4), (n,), (n,) -> which are kept (n,)."""
    kept = np.zeros(len(scores), dtype=np.bool_)
    order = np.argsort(-scores, kind="stable")
    sorted_boxes, sorted_classes = boxes[order], classes[order]
    rivals = (iou_xyxy(sorted_boxes, sorted_boxes) > threshold) & (sorted_classes[:, None] == sorted_classes[None])
    alive = np.ones(len(order), dtype=np.bool_)
    for place, index in enumerate(order):
        if alive[place]:
            kept[index] = True
            alive &= ~rivals[place]
    return kept


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
