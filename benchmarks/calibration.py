"""Whether the confidence means what it says: error by bins, against a perfect one, and the interval's coverage.

    python -m benchmarks.calibration --images DIR --coco TRAIN.json [--images-used 47] [--held-out 5 8 11 20 40]

Trains once a seed on a random part of TRAIN, predicts the rest, and draws the held-out images from the rest at random,
as the audits are. Nothing of the held-out images or of what is judged was trained on. Then, with --anchored, runs of
`simulate` on generated images whose oracle believes half of the wrong pre-labels and overlooks half of what has none:
does the interval of the audits, which are labeled blind, still hold the truth about the queue?
"""

import argparse
import json
import pickle
import subprocess
import sys
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
from benchmarks.active_learning import ROOT, Row, generated
from benchmarks.coco_samples import load, truths

BINS = 5
DRAWS = 10
ANCHOR = 0.5
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
    parser.add_argument("--images-used", type=int, default=47)
    parser.add_argument("--held-out", type=int, nargs="+", default=[5, 8, 11, 20, 40])
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--anchored", type=int, default=0, metavar="N", help="anchored runs on N generated images too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what the models said there, and ask them once")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def kept_world(options: argparse.Namespace, seed: int) -> World:
    if options.keep is None:
        return make_world(options, seed)
    path = options.keep / f"{options.preset}-{options.images_used}-{seed}.pickle"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        world = make_world(options, seed)
        path.write_bytes(pickle.dumps((world.raws, world.truths)))
    return World(*pickle.loads(path.read_bytes()))  # noqa: S301


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
    """How often the interval of n audited images, drawn with replacement, holds the mean agreement of all."""
    calibration = fit(world.raws[:40], world.truths[:40])
    agreed = reached([calibration.apply(raw) for raw in world.raws], world.truths)
    shares = {}
    for size in COVERAGE_SIZES:
        drawn = [measure(random.choice(agreed, size).tolist()) for _ in range(COVERAGE_DRAWS)]
        shares[size] = float(np.mean([inside(each.low, each.high, float(agreed.mean())) for each in drawn]))
    return shares


def inside(low: float | None, high: float | None, value: float) -> bool:
    return low is not None and high is not None and low <= value <= high


def anchored_rows(images: int, seed: int) -> list[Row]:
    """The rows of one simulation whose oracle leans on what it is shown."""
    data = generated(images)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, "manage.py", "simulate", "--images", data.images, "--coco", data.coco]
        command += ["--anchor", ANCHOR, "--seed", seed, "--preset", "tiny", "--fractions", "0.1,0.2,0.3", "--json", out]
        subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
        rows: list[Row] = json.loads(out.read_text())
    return rows


def show_anchored(runs: list[list[Row]]) -> None:
    rows = [row for run in runs for row in run if row["queue_agreement"] is not None and row["audit_n"] >= 10]
    held = [inside(row["audit_low"], row["audit_high"], row["queue_agreement"]) for row in rows]
    print(f"an oracle that anchors: {sum(held)} of {len(held)} intervals of its runs' audits hold the truth")
    for row in rows:
        print(f"  n {row['audit_n']:3d}  {row['audit_low']:.2f} to {row['audit_high']:.2f}  truth {row['queue_agreement']:.2f}"
              f"  mean confidence {row['mean_confidence']:.2f}")  # fmt: skip


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
        world = kept_world(options, seed)
        rows += [judge(world, size, draw) for size in options.held_out for draw in range(DRAWS)]
        covered.append(coverage(world, np.random.default_rng(seed)))
    summary(rows)
    for size in COVERAGE_SIZES:
        print(f"interval of {size} images covers the truth in {np.mean([each[size] for each in covered]):.3f} of draws")
    anchored = [anchored_rows(options.anchored, seed) for seed in range(options.seeds) if options.anchored]
    if anchored:
        show_anchored(anchored)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"rows": rows, "coverage": covered, "anchored": anchored}, indent=1))


if __name__ == "__main__":
    main()
