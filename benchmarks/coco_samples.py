"""A COCO file and its images as the detector's samples."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from apps.detector.types import Sample, Truth


def load(images: Path, coco: Path) -> tuple[list[Sample], list[tuple[int, int]], list[int]]:
    """Samples, their sizes in pixels, and the class ids."""
    data = json.loads(coco.read_text())
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in data["annotations"]:
        found[annotation["image_id"]].append(annotation)
    samples = []
    for image in data["images"]:
        boxes = np.array([each["bbox"] for each in found[image["id"]]], dtype=float).reshape(-1, 4)
        scale = np.array([image["width"], image["height"]] * 2, dtype=float)
        classes = np.array([each["category_id"] for each in found[image["id"]]], dtype=int)
        samples.append(Sample(image["id"], images / image["file_name"], boxes / scale, classes))
    sizes = [(image["width"], image["height"]) for image in data["images"]]
    return samples, sizes, sorted(category["id"] for category in data["categories"])


def truths(samples: list[Sample]) -> list[Truth]:
    return [Truth(sample.boxes, sample.classes) for sample in samples]
