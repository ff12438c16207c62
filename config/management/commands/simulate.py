"""manage.py simulate: the whole loop over a labeled dataset, with an oracle in the labeler's place."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.autolabel.simulation import COLUMNS, EMAIL, PASSWORD, Options, Row, Simulation, SimulationError
from apps.projects.bricks import PRESETS, STRATEGIES
from apps.warehouse.formats import FormatError, coco
from config.sandbox import Sandbox
from config.services import ServiceError

WORKERS = (("training", "default"), ("inference", "default"))


class Command(BaseCommand):
    help = "Run the whole loop over a labeled dataset: batches, an oracle that labels, cycles and a flush."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of the images")
        parser.add_argument("--coco", type=Path, required=True, metavar="TRAIN.json", help="the images and their truth")
        parser.add_argument("--test", type=Path, metavar="TEST.json", help="images that only measure")
        sizes = parser.add_mutually_exclusive_group()
        sizes.add_argument("--batch", type=_positive, metavar="N", help="images a batch, until all are labeled")
        sizes.add_argument("--fractions", type=_fractions, default=(0.05, 0.1, 0.2), metavar="F,F,…",
                           help="shares of the images labeled before each cycle (0.05,0.1,0.2)")  # fmt: skip
        parser.add_argument("--strategy", choices=STRATEGIES, default="least-confident")
        parser.add_argument("--preset", choices=[name for name in PRESETS if name], default="", help="by device")
        parser.add_argument("--seed", type=int, default=0, metavar="K")
        parser.add_argument("--tolerance", type=_share, default=0.7, help="IoU at which a pre-label is left as it is")
        parser.add_argument("--anchor", type=_share, default=0.0, metavar="SHARE",
                            help="how often the oracle believes what is shown and overlooks the rest (0)")  # fmt: skip
        parser.add_argument("--keep", action="store_true", help="keep database and files and say where they are")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows there, after each cycle")
        parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        simulated = _options(options)
        if options["inside"]:
            _simulate(simulated, options["json"])
            return
        try:
            with Sandbox("simulate", WORKERS, keep=options["keep"], more={}) as sandbox:
                code = sandbox.run(*sys.argv[1:], "--inside")
                if options["keep"]:
                    _say_where(sandbox)
        except ServiceError as error:
            raise CommandError(str(error)) from None
        if code:
            sys.exit(code)


def _options(options: dict[str, Any]) -> Options:
    try:
        train = coco.read(options["coco"])
        test = coco.read(options["test"]) if options["test"] else None
    except FormatError as error:
        raise CommandError(str(error)) from None
    for problem in [*train.problems, *(test.problems if test else [])] if not options["inside"] else []:
        print(f"{problem.name}: {problem.reason}", file=sys.stderr)
    if not options["images"].is_dir():
        raise CommandError(f"{options['images']} is not a folder.")
    if both := sorted(train.pictures.keys() & (test.pictures if test else {}).keys()):
        raise CommandError(f"{both[0]} and {len(both) - 1} more are both in --coco and in --test.")
    names = ("images", "fractions", "batch", "strategy", "preset", "seed", "tolerance", "anchor")
    return Options(train=train, test=test, **{name: options[name] for name in names})


def _simulate(options: Options, out: Path | None) -> None:
    rows: list[Row] = []
    with tqdm(total=len(options.train.pictures), unit="image", dynamic_ncols=True, disable=None) as bar:

        def tell(text: str, labeled: int) -> None:
            bar.set_description(text, refresh=False)
            bar.update(max(0, labeled - bar.n) if labeled >= 0 else 0)
            bar.refresh()

        try:
            simulation = Simulation(options, tell)
            tqdm.write(" ".join(_heads()))
            for row in simulation.rows():
                rows.append(row)
                tqdm.write(" ".join(_cells(row)))
                if out:
                    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            flushed = simulation.flush()
        except SimulationError as error:
            raise CommandError(str(error)) from None
    for problem in simulation.problems:
        print(problem, file=sys.stderr)
    print(f"Flushed {flushed['human']} images labeled by the oracle and {flushed['model']} by the model.")
    if not rows:
        raise CommandError("Not one cycle was run: label more images.")


def _heads() -> list[str]:
    return [name.rjust(_width(name)) for name in COLUMNS]


def _cells(row: Row) -> list[str]:
    return [_text(name, row[name]).rjust(_width(name)) for name in COLUMNS]


def _width(name: str) -> int:
    return max(6, len(name))


def _text(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if name.startswith("percent") or name.endswith("seconds") else f"{value:.3f}"


def _say_where(sandbox: Sandbox) -> None:
    print(f"Kept in {sandbox.folder}; its user is {EMAIL}, password: {PASSWORD}")
    named = f"DATABASE_URL={sandbox.environment['DATABASE_URL']} " if sandbox.postgres is None else ""
    print(f"Serve it with: {named}WINNOW_VAR={sandbox.folder} make up")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1")
    return value


def _fractions(text: str) -> tuple[float, ...]:
    values = tuple(_share(part) for part in text.split(","))
    if sorted(set(values)) != list(values):
        raise argparse.ArgumentTypeError("must grow")
    return values
