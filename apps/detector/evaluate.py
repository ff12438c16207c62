"""Average precision, by faster-coco-eval."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from .types import FloatArray, Predicted, Raw, Truth

_SIDE = 1000.0
"""Without sizes, every image counts as a square of so many pixels; only COCO's area ranges would notice."""


def average_precision(
    predicted: Sequence[Predicted | Raw],
    truths: Sequence[Truth],
    class_ids: Sequence[int],
    sizes: Sequence[tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """{"ap", "ap50", "per_class": {class id: AP50}}, None where no truth has the class; rows go by position."""
    scales = np.array(sizes, dtype=np.float64) if sizes else np.full((len(truths), 2), _SIDE)
    scales = np.tile(scales, 2)
    annotations = [row for place, truth in enumerate(truths) for row in _truth_rows(place, truth, scales[place])]
    detections = [row for place, each in enumerate(predicted) for row in _rows(place, each, scales[place])]
    if not annotations:
        return {"ap": None, "ap50": None, "per_class": dict.fromkeys(class_ids)}
    for number, row in enumerate(annotations, start=1):
        row["id"] = number
    if not detections:
        present = {row["category_id"] for row in annotations}
        return {"ap": 0.0, "ap50": 0.0, "per_class": {c: 0.0 if c in present else None for c in class_ids}}
    images = [{"id": place, "width": int(scale[0]), "height": int(scale[1])} for place, scale in enumerate(scales)]
    categories = [{"id": int(class_id), "name": str(class_id)} for class_id in class_ids]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO({"images": images, "annotations": annotations, "categories": categories})
        run = COCOeval_faster(truth, truth.loadRes(detections), iouType="bbox")
        run.params.maxDets = [1, 100, 500]
        run.evaluate()
        run.accumulate()
    precision = np.asarray(run.eval["precision"])[:, :, :, 0, -1]  # IoU, recall, class
    return {
        "ap": _mean(precision),
        "ap50": _mean(precision[0]),
        "per_class": {int(c): _mean(precision[0, :, k]) for k, c in enumerate(run.params.catIds)},
    }


def _mean(values: FloatArray) -> float | None:
    """Over what exists: -1 stands for a class without truth."""
    real = values[values > -1]
    return float(real.mean()) if real.size else None


def _truth_rows(place: int, truth: Truth, scale: FloatArray) -> list[dict[str, Any]]:
    boxes = np.asarray(truth.boxes, dtype=np.float64).reshape(-1, 4) * scale
    return [
        {"image_id": place, "category_id": int(c), "bbox": box.tolist(), "area": float(box[2] * box[3]), "iscrowd": 0}
        for box, c in zip(boxes, truth.classes, strict=True)
    ]


def _rows(place: int, each: Predicted | Raw, scale: FloatArray) -> list[dict[str, Any]]:
    kept = each.kept if isinstance(each, Raw) else np.ones(len(each.boxes), dtype=np.bool_)
    scores = each.scores if isinstance(each, Raw) else each.confidences
    boxes = np.asarray(each.boxes, dtype=np.float64).reshape(-1, 4) * scale
    return [
        {"image_id": place, "category_id": int(c), "bbox": box.tolist(), "score": float(score)}
        for box, c, score in zip(boxes[kept], each.classes[kept], scores[kept], strict=True)
    ]
