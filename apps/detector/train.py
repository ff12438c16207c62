"""Training: samples in, a checkpoint and a checked ONNX file out."""

import ctypes
import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import checkpoint
from .assignment import assign
from .augment import Augmenter, Batch, Tiles, plain
from .cache import PixelCache
from .canvas import canvas_of
from .ema import MovingAverage
from .export import check_parity, export
from .losses import detection_loss
from .model import DetectorModel, ModelConfig
from .presets import PRESETS, Preset, choose
from .types import IntArray, NothingToLearn, Sample, Trained

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]

_REPORT_SECONDS = 1.0
_GRADIENT_LIMIT = 10.0
_WARM_STEPS = 20
_PARITY_IMAGES = 4
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def train(
    samples: Sequence[Sample],
    *,
    class_ids: Sequence[int],
    out: Path,
    preset: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Train on the samples; `progress(done, total, message)` is called every second or so and may raise to cancel."""
    started = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = PRESETS[preset] if preset else choose(device.type)
    _keep_memory()
    out.mkdir(parents=True, exist_ok=True)
    report = _Reporter(progress)
    with tempfile.TemporaryDirectory(dir=out, prefix="cache-") as folder:
        data = TrainingSet(samples, class_ids, canvas_of(samples, chosen), Path(folder) / "pixels", report)
        steps = chosen.steps(len(data.places))
        report(0, steps, "Training", force=True)
        model = _fresh(chosen, class_ids, data.cache.canvas, seed)
        average = fit_model(model.to(device), data, chosen, steps, seed, report)
        trained = average.cpu().eval()
        report(steps, steps, "Exporting", force=True)
        paths = out / "checkpoint.pt", out / "model.onnx"
        checkpoint.save(paths[0], trained, preset=chosen.name, seed=seed, steps=steps)
        export(trained, paths[1])
        check_parity(trained, paths[1], data.cache.read(data.places[:_PARITY_IMAGES]))
    seconds = time.monotonic() - started
    return Trained(*paths, seconds, steps, len(data.places), chosen.name, data.skipped)


class _Reporter:
    """Calls back at most once a second, so that a step never waits for a database."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.last = progress, -math.inf

    def __call__(self, done: int, total: int, message: str, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.progress is not None and (force or now - self.last >= _REPORT_SECONDS):
            self.last = now
            self.progress(done, total, message)


class TrainingSet:
    """Cached pixels and padded boxes; `places` are the readable images."""

    def __init__(
        self,
        samples: Sequence[Sample],
        class_ids: Sequence[int],
        canvas: tuple[int, int],
        path: Path,
        report: _Reporter,
    ) -> None:
        self.cache = PixelCache(path, [sample.source for sample in samples], canvas)
        self.cache.fill(lambda done: report(done, len(samples), "Reading images"))
        self.keys = [sample.key for sample in samples]
        self.places = np.flatnonzero(self.cache.sizes[:, 0])
        if not len(self.places):
            reason = next(iter(self.skipped.values()), "there are none")
            raise NothingToLearn(f"Not one of {len(samples)} images can be read: {reason}")
        if self.skipped:
            report(0, len(samples), f"Skipped {len(self.skipped)} unreadable images", force=True)
        rows = {class_id: row for row, class_id in enumerate(class_ids)}
        self.boxes = [self._pixels(samples[place], self.cache.sizes[place]) for place in range(len(samples))]
        self.rows = [np.array([rows[int(c)] for c in sample.classes], dtype=np.int64) for sample in samples]

    @property
    def skipped(self) -> dict[int, str]:
        """The reason for each image that could not be read, by its sample's key."""
        return {self.keys[place]: reason for place, reason in self.cache.errors.items()}

    def _pixels(self, sample: Sample, size: IntArray) -> np.ndarray:
        """Pixel xyxy on the canvas (n, 4)."""
        boxes = np.asarray(sample.boxes, dtype=np.float32).reshape(-1, 4)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        return np.asarray(corners * np.tile(size, 2), dtype=np.float32)

    def tiles(self, places: IntArray, device: torch.device) -> Tiles:
        pixels = torch.from_numpy(self.cache.read(places))
        most = max((len(self.rows[place]) for place in places), default=0)
        boxes = np.zeros((len(places), most, 4), dtype=np.float32)
        rows = np.full((len(places), most), -1, dtype=np.int64)
        for slot, place in enumerate(places):
            if place in self.cache.errors:
                continue  # its pixels were not handed over this time
            count = len(self.rows[place])
            boxes[slot, :count], rows[slot, :count] = self.boxes[place], self.rows[place]
        sizes = torch.from_numpy(self.cache.sizes[places]).float()
        return Tiles(*(each.to(device) for each in (pixels, sizes, torch.from_numpy(boxes), torch.from_numpy(rows))))


class _Draw:
    """Places in shuffled rounds, so that every image is seen equally often."""

    def __init__(self, places: IntArray, seed: int) -> None:
        self.places, self.random = places, np.random.default_rng(seed)
        self.left: IntArray = places[:0]

    def __call__(self, count: int) -> IntArray:
        while len(self.left) < count:
            self.left = np.concatenate([self.left, self.random.permutation(self.places)])
        drawn, self.left = self.left[:count], self.left[count:]
        return drawn


def fit_model(
    model: DetectorModel, data: TrainingSet, preset: Preset, steps: int, seed: int, report: _Reporter
) -> DetectorModel:
    """The training loop; returns the averaged model."""
    device = model.points.device
    model.train()
    average = MovingAverage(model, steps)
    optimizer = torch.optim.AdamW(_groups(model, preset), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    draw, dice = _Draw(data.places, seed), np.random.default_rng(seed)
    augment = Augmenter(preset.scale, torch.Generator().manual_seed(seed))
    for step in range(steps):
        if step < steps * (1 - preset.plain_share):
            mosaic = dice.random() < preset.mosaic
            batch = augment(data.tiles(draw(preset.batch * (4 if mosaic else 1)), device), mosaic)
        else:
            batch = plain(data.tiles(draw(preset.batch), device))
        loss = _loss(model, batch, preset)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), _GRADIENT_LIMIT)
        optimizer.step()
        schedule.step()
        average.update()
        report(step + 1, steps, f"Training, loss {loss.item():.2f}" if step % 10 == 0 else "Training")
    return average.model


def _loss(model: DetectorModel, batch: Batch, preset: Preset) -> Tensor:
    device = model.points.device.type
    with torch.autocast(device, torch.bfloat16, enabled=preset.mixed_precision and _fast_bf16(device)):
        logits, predicted, _ = model(batch.images)
    logits, predicted = logits.float(), predicted.float()
    assigned = assign(logits.sigmoid(), predicted, model.points, model.strides, batch.boxes, batch.rows)
    return detection_loss(logits, predicted, assigned.boxes, assigned.rows, assigned.firmness)


def _fast_bf16(device: str) -> bool:
    """Whether the hardware computes in bf16; where it only emulates, fp32 is faster."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())


def _groups(model: DetectorModel, preset: Preset) -> list[dict[str, object]]:
    """Backbone apart; norms and biases without decay."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": preset.learning_rate * (preset.backbone_rate if of_backbone else 1),
            "weight_decay": preset.weight_decay if decays else 0.0,
        }
        for (of_backbone, decays), parameters in groups.items()
    ]


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    warm = min(_WARM_STEPS, steps // 4)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.05 + 0.95 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2


def _fresh(preset: Preset, class_ids: Sequence[int], canvas: tuple[int, int], seed: int) -> DetectorModel:
    torch.manual_seed(seed)
    model = DetectorModel(ModelConfig(tuple(class_ids), canvas, preset.width, preset.frozen_blocks))
    model.backbone.load_imagenet()
    return model


def _keep_memory() -> None:
    """Keep freed tensors in the process: giving pages back and faulting them in again costs a third of a step."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library: slower, and as right
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
