"""Prediction by onnxruntime alone: decodes ahead in threads, streams, and its memory does not grow with the images."""

import itertools
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort

from .boxes import nms, xyxy_to_xywh
from .images import Fitted, fit
from .types import FloatArray, ImageSource, IntArray, Pixels, Raw, UnreadableImage

logger = logging.getLogger(__name__)

NMS_IOU = 0.6
FLOOR = 0.005
_SUPPRESSED = 50
_BATCH = {"CPUExecutionProvider": 4, "CUDAExecutionProvider": 32}
_GPU_FILE = Path("/dev/nvidia0")

Outputs = tuple[FloatArray, FloatArray, IntArray, FloatArray]


class Detector:
    """An exported detector, ready to predict."""

    def __init__(self, onnx: Path, *, threads: int | None = None, cpu_only: bool = False) -> None:
        options = ort.SessionOptions()
        self.threads = threads or int(os.environ.get("OMP_NUM_THREADS", "0")) or len(os.sched_getaffinity(0))
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(onnx), options, providers=_providers(cpu_only))
        self.provider: str = self.session.get_providers()[0]
        if not cpu_only and self.provider == "CPUExecutionProvider" and _GPU_FILE.exists():
            logger.warning("A GPU is visible but onnxruntime did not take it; predicting on the CPU.")
        facts = self.session.get_modelmeta().custom_metadata_map
        self.class_ids = np.array(json.loads(facts["class_ids"]), dtype=np.int64)
        width, height = json.loads(facts["canvas"])
        self.canvas = (int(width), int(height))

    def run(self, pixels: Pixels) -> Outputs:
        """(n, h, w, 3) -> boxes (n, k, 4) xyxy as shares of the canvas, scores (n, k), head rows (n, k), embedding."""
        boxes, scores, rows, embedding = self.session.run(None, {"images": pixels})
        return boxes, scores, rows, embedding

    def predict(
        self,
        items: Iterable[tuple[int, ImageSource]],
        *,
        batch: int | None = None,
        on_error: Callable[[int, Exception], None] | None = None,
    ) -> Iterator[Raw]:
        """The candidates of each image, in order. An unreadable one is told to `on_error`, or raised without it."""
        size = batch or _BATCH.get(self.provider, 4)
        readable = self._decoded(items, size, on_error)
        groups = iter(lambda: list(itertools.islice(readable, size)), [])
        # The next batch runs while the candidates of this one are sorted out.
        with ThreadPoolExecutor(1) as runner:
            running: deque[tuple[list[tuple[int, Fitted]], Future[Outputs]]] = deque()
            for group in groups:
                running.append((group, runner.submit(self._run_fitted, group)))
                if len(running) > 1:
                    yield from self._sorted_out(*running.popleft())
            while running:
                yield from self._sorted_out(*running.popleft())

    def _run_fitted(self, group: list[tuple[int, Fitted]]) -> Outputs:
        return self.run(np.stack([fitted.pixels for _, fitted in group]))

    def _sorted_out(self, group: list[tuple[int, Fitted]], outputs: Future[Outputs]) -> Iterator[Raw]:
        for (key, fitted), boxes, scores, rows, embedding in zip(group, *outputs.result(), strict=True):
            yield self._candidates(key, fitted, boxes, scores, rows, embedding)

    def _decoded(
        self, items: Iterable[tuple[int, ImageSource]], size: int, on_error: Callable[[int, Exception], None] | None
    ) -> Iterator[tuple[int, Fitted]]:
        waiting: deque[tuple[int, Future[Fitted]]] = deque()
        left = iter(items)
        with ThreadPoolExecutor(max(2, self.threads)) as pool:
            while True:
                for key, source in itertools.islice(left, 3 * size - len(waiting)):
                    waiting.append((key, pool.submit(fit, source, self.canvas)))
                if not waiting:
                    return
                key, future = waiting.popleft()
                try:
                    yield key, future.result()
                except (UnreadableImage, OSError) as error:
                    if on_error is None:
                        raise
                    on_error(key, error)

    def _candidates(
        self, key: int, fitted: Fitted, boxes: FloatArray, scores: FloatArray, rows: IntArray, embedding: FloatArray
    ) -> Raw:
        boxes = (boxes * self._stretch(fitted)).clip(0, 1)
        good = (scores >= FLOOR) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        order = np.flatnonzero(good)[np.argsort(-scores[good], kind="stable")]
        boxes, scores, rows = boxes[order], scores[order], rows[order]
        kept = nms(boxes, scores, rows, NMS_IOU)
        carried = kept | (np.cumsum(~kept) <= _SUPPRESSED)
        boxes = xyxy_to_xywh(boxes)[carried]
        return Raw(key, boxes, self.class_ids[rows[carried]], scores[carried], kept[carried], embedding)

    def _stretch(self, fitted: Fitted) -> FloatArray:
        """From shares of the canvas to shares of the image, which covers its top left."""
        return np.array([self.canvas[0] / fitted.width, self.canvas[1] / fitted.height] * 2)


def _providers(cpu_only: bool) -> list[str]:
    if cpu_only or "CUDAExecutionProvider" not in ort.get_available_providers() or not _GPU_FILE.exists():
        return ["CPUExecutionProvider"]
    ort.preload_dlls()
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
