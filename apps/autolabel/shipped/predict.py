"""python predict.py IMAGE... prints the boxes in each image, in pixels. Needs onnxruntime, numpy and pillow."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

here = Path(__file__).parent
model = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])
names = [each["name"] for each in json.loads((here / "classes.json").read_text(encoding="utf-8"))]
width, height = json.loads(model.get_modelmeta().custom_metadata_map["canvas"])

for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    small = ImageOps.contain(image, (width, height), Image.Resampling.BILINEAR)
    pixels = np.full((1, height, width, 3), 114, np.uint8)
    pixels[0, : small.height, : small.width] = np.asarray(small)
    boxes, scores, rows, _ = (each[0] for each in model.run(None, {"images": pixels}))
    boxes = boxes * np.tile([width * image.width / small.width, height * image.height / small.height], 2)
    kept = [(np.zeros(4), -1)]
    for i in sorted(np.flatnonzero(scores >= 0.3), key=lambda i: -scores[i]):
        others = np.array([box for box, row in kept if row in (-1, rows[i])])
        sides = np.minimum(others[:, 2:], boxes[i, 2:]) - np.maximum(others[:, :2], boxes[i, :2])
        shared = sides.clip(0).prod(1)
        areas = (others[:, 2:] - others[:, :2]).prod(1) + (boxes[i, 2:] - boxes[i, :2]).prod()
        if (shared <= 0.6 * (areas - shared)).all():  # not the same object again
            kept.append((boxes[i], rows[i]))
            left, top, right, bottom = boxes[i].clip(0, [image.width, image.height] * 2)
            print(f"{path} {names[rows[i]]} {scores[i]:.2f} {left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}")
