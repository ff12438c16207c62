"""How few labels are enough: each strategy against random over several seeds, by the whole loop of `simulate`.

    python -m benchmarks.active_learning --images DIR --coco TRAIN.json --test TEST.json
    python -m benchmarks.active_learning --generate 400 --preset tiny   (a varied set with a rare class, made here)
    python -m benchmarks.active_learning --generate 400 --frames 5 --preset tiny   (the same, five frames a scene)

Every run's rows go to benchmarks/results/active_learning/ as they come; a run that is complete is not made again, so
that what was interrupted goes on where it was, and --report shows what there is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import varied

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "active_learning"
STRATEGIES = ("least-confident", "diverse", "random")
KINDS = (*STRATEGIES, "full", "one-shot")
FRACTIONS = (0.1, 0.2, 0.3)
ENOUGH = 0.95
"""The share of the AP50 at all labels that is aimed at."""
COLORS = {"least-confident": "#1a62c4", "diverse": "#0a7566", "random": "#965c00", "one-shot": "#777777"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Data:
    """A labeled dataset and where the rows of its runs are kept."""

    name: str
    images: Path
    coco: Path
    test: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One simulation: `kind` is a strategy, `one-shot` (one random subset) or `full`."""

    kind: str
    seed: int
    fractions: tuple[float, ...]

    @property
    def name(self) -> str:
        return "-".join([self.kind, str(self.seed), *(f"{fraction:g}" for fraction in self.fractions)])


def main() -> None:
    options = arguments()
    data = generated(options.generate, options.frames) if options.generate else Data(*named(options))
    runs = plan(options.kinds, options.seeds, tuple(options.fractions))
    for number, run in enumerate(runs if not options.report else (), 1):
        print(f"[{number} of {len(runs)}] {data.name} {run.name}", flush=True)
        perform(data, run, options.preset)
    report(data, runs)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--coco", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--generate", type=int, metavar="N", help="draw N images to learn from and N to measure on")
    parser.add_argument("--frames", type=int, default=1, metavar="N", help="with --generate: frames of each scene")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["full", "least-confident", "random"],
                        help="strategies, `full` (all labels) and `one-shot` (one random subset of each size)")  # fmt: skip
    parser.add_argument("--fractions", type=float, nargs="+", default=FRACTIONS)
    parser.add_argument("--preset", default="")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    if not options.generate and not (options.images and options.coco and options.test):
        parser.error("give --images, --coco and --test, or --generate")
    return options


def named(options: argparse.Namespace) -> tuple[str, Path, Path, Path]:
    return options.images.resolve().parent.name, options.images, options.coco, options.test


def generated(count: int, frames: int = 1) -> Data:
    """A varied set with a rare class, and as many other scenes, one picture of each, to measure on."""
    name = f"varied-{count}" if frames == 1 else f"varied-{count}-by-{frames}"
    folder = RESULTS / name / "images"
    train, test = folder / "train.json", folder / "test.json"
    if not test.is_file():
        varied.write(folder, train.name, range(count), frames=frames)
        varied.write(folder, test.name, range(count, 2 * count))
    return Data(name, folder, train, test)


def plan(kinds: Sequence[str], seeds: Sequence[int], fractions: tuple[float, ...]) -> list[Run]:
    """Seed by seed, so that what is there early says something about everything."""
    runs: list[Run] = []
    for seed in seeds:
        runs += [Run("full", seed, (1.0,))] if "full" in kinds else []
        runs += [Run(kind, seed, fractions) for kind in kinds if kind in STRATEGIES]
        runs += [Run("one-shot", seed, (fraction,)) for fraction in fractions[1:] if "one-shot" in kinds]
    return runs


def perform(data: Data, run: Run, preset: str) -> None:
    """Simulate, unless the rows are all there."""
    out = RESULTS / data.name / f"{run.name}.json"
    if len(rows_of(data, run)) == len(run.fractions):
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    strategy = run.kind if run.kind in STRATEGIES else "random"
    command = [sys.executable, "manage.py", "simulate", "--images", data.images, "--coco", data.coco]
    command += ["--test", data.test, "--strategy", strategy, "--seed", run.seed, "--json", out]
    command += ["--fractions", ",".join(f"{fraction:g}" for fraction in run.fractions)]
    command += ["--preset", preset] if preset else []
    subprocess.run([str(part) for part in command], cwd=ROOT, env=os.environ, check=True)


def rows_of(data: Data, run: Run) -> list[Row]:
    path = RESULTS / data.name / f"{run.name}.json"
    found: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def report(data: Data, runs: Sequence[Run]) -> None:
    all_labels = [row for run in runs if run.kind == "full" for row in rows_of(data, run)]
    full = middle(row["ap50"] for row in all_labels)
    kinds = list(dict.fromkeys(run.kind for run in runs if run.kind != "full"))
    table = [line for kind in kinds for line in lines_of(data, runs, kind)]
    enough = {kind: fraction_for([line for line in table if line["kind"] == kind], full) for kind in kinds}
    print(f"\n{data.name}: all labels AP50 {shown(full)}, AP {shown(middle(row['ap'] for row in all_labels))}"
          f" ({len(all_labels)} seeds); medians of the seeds, sd their standard deviation")  # fmt: skip
    print_table(table)
    for kind, fraction in enough.items():
        reached = f"{fraction:.0f} % of the images" if fraction is not None else "more than was labeled"
        print(f"{kind}: {ENOUGH:.0%} of it takes {reached}")
    gains = [gain for line in table for gain in gains_of(line, table)]
    print("\n".join(gains))
    summary = {"data": data.name, "full": all_labels, "percent_for_95": enough, "rows": table, "gains": gains}
    folder = RESULTS / data.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (folder / "ap50.svg").write_text(plot(table, full), encoding="utf-8")
    print(f"JSON and plot: {folder}")


def lines_of(data: Data, runs: Sequence[Run], kind: str) -> list[Row]:
    """Medians over the seeds, by fraction."""
    by_fraction: dict[float, list[Row]] = {}
    for run in runs:
        if run.kind == kind:
            for fraction, row in zip(run.fractions, rows_of(data, run), strict=False):
                by_fraction.setdefault(fraction, []).append(row)
    lines = []
    for fraction, rows in sorted(by_fraction.items()):
        scores = [row["ap50"] for row in rows]
        line: Row = {"kind": kind, "percent": 100 * fraction, "seeds": len(rows)}
        line |= {"ap50": middle(scores), "sd": statistics.stdev(scores) if len(scores) > 1 else None}
        for name in (
            "ap",
            "mean_confidence",
            "queue_agreement",
            "calibration_error",
            "queue_edits_50",
            "queue_edits_70",
        ):
            line[name] = middle(row[name] for row in rows)
        line["gap"] = middle(gap_of(row) for row in rows)
        line["batch_edits"] = middle(edits(row) for row in rows)
        line["seconds"] = middle((row["train_seconds"] or 0) + (row["predict_seconds"] or 0) for row in rows)
        lines.append(line)
    return lines


def gap_of(row: Row) -> float | None:
    """How far mean confidence is from the true agreement of the queue."""
    if row["mean_confidence"] is None or row["queue_agreement"] is None:
        return None
    return abs(float(row["mean_confidence"]) - float(row["queue_agreement"]))


def gains_of(line: Row, table: Sequence[Row]) -> list[str]:
    """What choosing is worth beside `random` at the same percentage, and what pre-labels are worth, apart."""
    random = next((each for each in table if each["kind"] == "random" and each["percent"] == line["percent"]), None)
    found = []
    if random is not None and line["kind"] in STRATEGIES[:2] and random["sd"] is not None:
        gain, noise = line["ap50"] - random["ap50"], max(random["sd"], line["sd"] or 0.0)
        verdict = "beyond" if abs(gain) > noise else "within"
        found.append(f"{line['kind']} at {line['percent']:.0f} %: choosing {gain:+.3f} AP50, {verdict} {noise:.3f}")
    if line["batch_edits"] is not None and line["batch_edits"] < 1:
        saved = 1 - line["batch_edits"]
        found.append(
            f"{line['kind']} at {line['percent']:.0f} %: pre-labels spared {saved:.0%} of the edits of its batch"
        )
    return found


def edits(row: Row) -> float | None:
    """What it took to label the batch before this cycle, against drawing every box: 1 from scratch."""
    if not row["boxes"]:
        return None
    return float(row["added"] + row["deleted"] + row["moved"] + row["reclassed"]) / float(row["boxes"])


def middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def fraction_for(lines: Sequence[Row], full: float | None) -> float | None:
    """Percent labeled at which the line through the medians reaches what is enough."""
    if full is None:
        return None
    wanted, before = ENOUGH * full, None
    for line in lines:
        if line["ap50"] >= wanted:
            if before is None:
                return float(line["percent"])
            share = (wanted - before["ap50"]) / (line["ap50"] - before["ap50"])
            return float(before["percent"] + share * (line["percent"] - before["percent"]))
        before = line
    return None


def shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def print_table(table: Sequence[Row]) -> None:
    if not table:
        return
    names = list(table[0])
    widths = [max(len(name), *(len(shown(line[name])) for line in table)) for name in names]
    print("  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)))
    for line in table:
        print("  ".join(shown(line[name]).rjust(width) for name, width in zip(names, widths, strict=True)))


def plot(table: Sequence[Row], full: float | None) -> str:
    """AP50 against percent labeled, with the level of all labels."""
    most = max((line["percent"] for line in table), default=100)

    def at(percent: float, score: float) -> str:
        return f"{60 + 480 * percent / most:.1f},{330 - 300 * score:.1f}"

    parts = [f'<text x="52" y="{334 - 30 * n}" text-anchor="end">{n / 10:g}</text>' for n in range(0, 11, 2)]
    parts += ['<path d="M60 30V330H540" fill="none" stroke="#888"/>']
    parts += ['<text x="300" y="370" text-anchor="middle">percent labeled</text>']
    if full is not None:
        parts.append(f'<polyline points="{at(0, full)} {at(most, full)}" stroke="#888" stroke-dasharray="4 3"/>')
    for kind in dict.fromkeys(line["kind"] for line in table):
        lines = [line for line in table if line["kind"] == kind and line["ap50"] is not None]
        points = " ".join(at(line["percent"], line["ap50"]) for line in lines)
        end = at(lines[-1]["percent"], lines[-1]["ap50"]).split(",")
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[kind]}" stroke-width="2"/>')
        parts.append(f'<text x="{float(end[0]) + 6}" y="{end[1]}" fill="{COLORS[kind]}">{kind}</text>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 380" font-family="sans-serif" font-size="12">'
    return f'{head}<rect width="660" height="380" fill="#fff"/>{"".join(parts)}</svg>\n'


if __name__ == "__main__":
    main()
