"""How well and how fast the detector learns and predicts, beside what the machine itself can do in the same run.

    python -m benchmarks.detector --images DIR --coco TRAIN.json [--test TEST.json] [--images-used 58 292] [--set mosaic=0]

Without --test a fixed quarter of TRAIN is set aside and measured instead: that is how recipes are chosen.
"""

import argparse
import ast
import dataclasses
import io
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from PIL import Image

from apps.detector import presets
from apps.detector.evaluate import average_precision
from apps.detector.images import fit
from apps.detector.predict import Detector
from apps.detector.train import train
from apps.detector.types import Sample
from benchmarks.coco_samples import load, truths

SPLIT_SEED = 123
REPEATS = 3
BARE_IMAGES = 64
MATRIX = 1024


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--images-used", type=int, nargs="+", default=[58])
    parser.add_argument("--preset", default="cpu", choices=sorted(presets.PRESETS))
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--set", dest="changes", nargs="*", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def changed(preset: str, changes: list[str]) -> presets.Preset:
    pairs = (change.split("=", 1) for change in changes)
    return dataclasses.replace(presets.PRESETS[preset], **{name: ast.literal_eval(value) for name, value in pairs})


def split(
    samples: list[Sample], sizes: list[tuple[int, int]]
) -> tuple[list[Sample], list[Sample], list[tuple[int, int]]]:
    """A fixed quarter for measuring, the rest for training."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(samples))
    held, rest = order[: len(order) // 4], order[len(order) // 4 :]
    return [samples[i] for i in rest], [samples[i] for i in held], [sizes[i] for i in held]


def bare_loop(detector: Detector, pixels: np.ndarray, batch: int) -> float:
    """Images a second of onnxruntime alone, on decoded tensors."""
    started = time.perf_counter()
    for start in range(0, len(pixels), batch):
        detector.session.run(None, {"images": pixels[start : start + batch]})
    return len(pixels) / (time.perf_counter() - started)


def bare_decoding(sources: list[Path]) -> float:
    """Images a second of Pillow alone, full size."""
    encoded = [source.read_bytes() for source in sources]
    started = time.perf_counter()
    for data in encoded:
        Image.open(io.BytesIO(data)).load()
    return len(encoded) / (time.perf_counter() - started)


def matrix_rate() -> float:
    """GFLOP/s of a matrix product in float32, the best of a few."""
    first = torch.rand(MATRIX, MATRIX)
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        first @ first
        rates.append(2 * MATRIX**3 / (time.perf_counter() - started) / 1e9)
    return max(rates)


def speed(onnx: Path, samples: list[Sample], threads: int | None) -> dict[str, Any]:
    detector = Detector(onnx, threads=threads)
    sources = [sample.source for sample in samples[:BARE_IMAGES] if isinstance(sample.source, Path)]
    pixels = np.stack([fit(source, detector.canvas).pixels for source in sources])
    bare_loop(detector, pixels[:8], 4)
    shipped, loop, decoding = [], [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        seen = sum(1 for _ in detector.predict(enumerate(sources)))
        shipped.append(seen / (time.perf_counter() - started))
        loop.append(bare_loop(detector, pixels, 4))
        decoding.append(bare_decoding(sources))
    return {
        "predict_per_second": statistics.median(shipped),
        "bare_onnxruntime_per_second": statistics.median(loop),
        "bare_decoding_per_second": statistics.median(decoding),
        "matrix_gflops": matrix_rate(),
        "provider": detector.provider,
        "onnxruntime": ort.__version__,
    }


def measure(options: argparse.Namespace, count: int, seed: int) -> dict[str, Any]:
    samples, sizes, class_ids = load(options.images, options.coco)
    if options.test:
        pool, (held, held_sizes, _) = samples, load(options.images, options.test)
    else:
        pool, held, held_sizes = split(samples, sizes)
    order = np.random.default_rng(seed).permutation(len(pool))
    chosen, rest = [pool[i] for i in order[:count]], [pool[i] for i in order[count:]]
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        trained = train(chosen, class_ids=class_ids, out=Path(folder), preset=options.preset, seed=seed)
        busy = time.process_time() - before
        detector = Detector(trained.onnx, threads=options.threads)
        started = time.perf_counter()
        raws = list(detector.predict([(sample.key, sample.source) for sample in held]))
        predicting = time.perf_counter() - started
        figures = average_precision(raws, truths(held), class_ids, held_sizes)
        started = time.perf_counter()
        rest_seen = sum(1 for _ in detector.predict([(sample.key, sample.source) for sample in rest]))
        rest_seconds = time.perf_counter() - started
        rates = speed(trained.onnx, held, options.threads)
    return {
        "images": trained.images, "seed": seed, "set": options.changes, "preset": options.preset,
        "steps": trained.steps, "train_seconds": trained.seconds, "train_cpu_seconds": busy,
        "predict_seconds": predicting, "rest_images": rest_seen, "rest_seconds": rest_seconds, "ap": figures["ap"], "ap50": figures["ap50"],
        "per_class": figures["per_class"], "canvas": detector.canvas,
        "views_per_cpu_second": trained.steps * presets.PRESETS[options.preset].batch / busy,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "measured_on": "test" if options.test else "a quarter of train", **rates,
    }  # fmt: skip


def show(row: dict[str, Any]) -> None:
    print(
        f"{row['images']:4d} images  seed {row['seed']}  {row['steps']:4d} steps  AP50 {row['ap50']:.3f}  AP {row['ap']:.3f}"
        f"  train {row['train_seconds']:.0f} s ({row['train_cpu_seconds']:.0f} CPU s, "
        f"{row['views_per_cpu_second']:.1f} views a CPU s)  predict {row['predict_per_second']:.1f}/s"
        f" (bare loop {row['bare_onnxruntime_per_second']:.1f}/s, bare decoding {row['bare_decoding_per_second']:.1f}/s,"
        f" {row['matrix_gflops']:.0f} GFLOP/s)  the other {row['rest_images']} in {row['rest_seconds']:.0f} s  peak {row['peak_mb']:.0f} MB  per class {row['per_class']}",
        flush=True,
    )


def main() -> None:
    options = arguments()
    presets.PRESETS[options.preset] = changed(options.preset, options.changes)
    rows = []
    for count in options.images_used:
        for seed in options.seed:
            rows.append(measure(options, count, seed))
            show(rows[-1])
            if options.json:
                options.json.parent.mkdir(parents=True, exist_ok=True)
                options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
