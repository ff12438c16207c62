"""Whether the confidence means what it says: error by bins, against a perfect one, and the interval's coverage.

    python -m benchmarks.calibration --images DIR --coco TRAIN.json [--images-used 58] [--held-out 11 20 40] [--seeds 3]

Trains once a seed on a random part of TRAIN, predicts the rest, and draws the held-out images from the rest at random,
as the audits are. Nothing of the held-out images or of what is judged was trained on.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.autolabel.quality import measure
from apps.detector.boxes import agreement
from apps.detector.calibrate import calibration_error, fit
from apps.detector.predict import Detector
from apps.detector.train import train
from apps.detector.types import FloatArray, Predicted, Raw, Truth
from benchmarks.coco_samples import load, truths

BINS = 5
DRAWS = 10
PERFECT_WORLDS = 200
COVERAGE_DRAWS = 2000
COVERAGE_SIZES = (10, 20, 50)


@dataclass(frozen=True, slots=True)
class World:
    """What a model said of images it has not seen, and what is true of them."""

    raws: list[Raw]
    truths: list[Truth]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--images-used", type=int, default=58)
    parser.add_argument("--held-out", type=int, nargs="+", default=[11, 20, 40])
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def make_world(options: argparse.Namespace, seed: int) -> World:
    samples, _, class_ids = load(options.images, options.coco)
    order = np.random.default_rng(seed).permutation(len(samples))
    used = [samples[i] for i in order[: options.images_used]]
    rest = [samples[i] for i in order[options.images_used :]]
    with tempfile.TemporaryDirectory() as folder:
        trained = train(used, class_ids=class_ids, out=Path(folder), preset=options.preset, seed=seed)
        raws = list(Detector(trained.onnx).predict([(sample.key, sample.source) for sample in rest]))
    return World(raws, truths(rest))


def reached(predicted: list[Predicted], true: list[Truth]) -> FloatArray:
    return np.array([
        agreement(each.boxes, each.classes, each.confidences, truth.boxes, truth.classes)
        for each, truth in zip(predicted, true, strict=True)
    ])  # fmt: skip


def perfect_error(confidence: FloatArray, agreed: FloatArray, random: np.random.Generator) -> float:
    """The error a perfectly calibrated confidence would show at this n: the same gaps between bins, only by chance.

    Agreement is redrawn around each confidence with the spread seen here.
    """
    spread = float(np.std(agreed - confidence))
    worlds = [
        calibration_error(confidence, confidence + random.normal(0, spread, len(confidence)), BINS)
        for _ in range(PERFECT_WORLDS)
    ]
    return float(np.mean(worlds))


def judge(world: World, held_out: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    order = random.permutation(len(world.raws))
    held, queue = order[:held_out], order[held_out:]
    calibration = fit([world.raws[i] for i in held], [world.truths[i] for i in held])
    predicted = [calibration.apply(world.raws[i]) for i in queue]
    confidence = np.array([each.confidence for each in predicted])
    agreed = reached(predicted, [world.truths[i] for i in queue])
    bins = np.array_split(np.argsort(confidence, kind="stable"), BINS)
    return {
        "held_out": held_out,
        "calibrated": calibration.calibrated,
        "error": calibration_error(confidence, agreed, BINS),
        "perfect": perfect_error(confidence, agreed, random),
        "gap": abs(float(confidence.mean() - agreed.mean())),
        "bins": [[float(confidence[part].mean()), float(agreed[part].mean())] for part in bins],
    }


def coverage(world: World, random: np.random.Generator) -> dict[int, float]:
    """How often the interval of n audited images holds the mean agreement of all of them."""
    calibration = fit(world.raws[:40], world.truths[:40])
    agreed = reached([calibration.apply(raw) for raw in world.raws], world.truths)
    shares = {}
    for size in COVERAGE_SIZES:
        drawn = [measure(agreed[random.permutation(len(agreed))[:size]].tolist()) for _ in range(COVERAGE_DRAWS)]
        inside = [
            each.low is not None and each.high is not None and each.low <= agreed.mean() <= each.high for each in drawn
        ]
        shares[size] = float(np.mean(inside))
    return shares


def summary(rows: list[dict[str, Any]]) -> None:
    print("held out   error  perfect  |mean confidence - mean agreement| (mean, worst)")
    for held_out in sorted({row["held_out"] for row in rows}):
        mine = [row for row in rows if row["held_out"] == held_out]
        error, perfect, gap = (float(np.mean([row[name] for row in mine])) for name in ("error", "perfect", "gap"))
        print(f"{held_out:8d}   {error:.3f}    {perfect:.3f}  {gap:.3f}, {max(row['gap'] for row in mine):.3f}")
        bins = np.mean([row["bins"] for row in mine], axis=0)
        print("           bins  " + "  ".join(f"{said:.2f} -> {was:.2f}" for said, was in bins))


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    covered = []
    for seed in range(options.seeds):
        world = make_world(options, seed)
        rows += [judge(world, size, draw) for size in options.held_out for draw in range(DRAWS)]
        covered.append(coverage(world, np.random.default_rng(seed)))
    summary(rows)
    for size in COVERAGE_SIZES:
        print(f"interval of {size} images covers the truth in {np.mean([each[size] for each in covered]):.3f} of draws")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"rows": rows, "coverage": covered}, indent=1))


if __name__ == "__main__":
    main()
