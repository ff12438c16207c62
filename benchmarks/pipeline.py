"""How fast tasks are made, handed out, predicted, ordered, counted and flushed, by the services the pages call.

python benchmarks/pipeline.py [--tasks 10000,100000,1000000] [--boxes 5] [--set shared_buffers=1GB] [--json OUT]
python benchmarks/pipeline.py --tasks 1000000 --var DIR --minutes 7      # again and again, until it prints the table

Each size runs in a process and a database of its own, on an embedded PostgreSQL with the settings it prints. With
`--var` the database and the figures are kept, and another call goes on with the phase after the last that was done.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

ASKED = ("shared_buffers", "work_mem", "effective_cache_size", "fsync", "synchronous_commit", "jit", "max_wal_size")
ASKED += ("wal_compression", "checkpoint_timeout")
NEXTS, SENDS, LOOKS, HANDS = 300, 3, 5, 20
TIMES = {"next": NEXTS, "submit": NEXTS, "send": SENDS, "overview": LOOKS}
SHARD = 5000
COLUMNS = {
    "create": "creation, tasks/s",
    "send_ms": "send 1,000, ms",
    "next_p50_ms": "next p50, ms",
    "next_p95_ms": "next p95, ms",
    "submit_p50_ms": "submit p50, ms",
    "submit_p95_ms": "submit p95, ms",
    "predict": "predictions, tasks/s",
    "rank": "ranking, tasks/s",
    "switch_ms": "switch cycle, ms",
    "overview_ms": "overview, ms",
    "flush": "flush, tasks/s",
    "peak_mb": "peak memory, MB",
}


BUSY: dict[str, float] = {}
"""Processor seconds by phase, of this process and of its database session: what the machine's other load leaves out."""


def timed(work: Callable[[], Any], phase: str = "") -> float:
    busy, began = processor_seconds(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    BUSY[phase] = BUSY.get(phase, 0.0) + processor_seconds() - busy
    return seconds


def processor_seconds() -> float:
    from django.db import connection

    connection.ensure_connection()
    fields = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rsplit(")", 1)[1].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """A project of so many tasks, and the clock held to everything that is done with them.

    What was measured is written to the state file after every phase, so that a later process can go on.
    """

    def __init__(self, count: int, boxes: int, state: Path) -> None:
        self.count, self.boxes, self.state = count, boxes, state
        self.figures: dict[str, Any] = {"tasks": count, "done": [], "busy_us": {}, "peak_mb": 0.0}
        if state.exists():
            self.figures = json.loads(state.read_text())

    def run(self, seconds: float) -> dict[str, Any]:
        """Phase after phase until the time is up."""
        began = time.monotonic()
        phases = (self.make, self.create, self.work, self.predict, self.rank, self.send, self.overview, self.flush)
        for phase in phases:
            if phase.__name__ in self.figures["done"]:
                continue
            if time.monotonic() - began > seconds:
                return self.figures
            if phase != self.make:
                self.attach()
            phase()
            self.note(phase.__name__)
        self.figures["complete"] = True
        return self.figures

    def note(self, phase: str) -> None:
        self.figures["done"].append(phase)
        self.figures["busy_us"] |= {
            name: 1e6 * busy / TIMES.get(name, self.count) for name, busy in BUSY.items() if name
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.figures["peak_mb"] = max(peak, self.figures["peak_mb"])
        self.state.write_text(json.dumps(self.figures))
        print(f"{self.count:,} tasks: {phase} done at {time.process_time():.0f} s", file=sys.stderr, flush=True)

    def attach(self) -> None:
        """What `make` has made."""
        from apps.accounts.models import User
        from apps.projects.models import Project

        self.users = list(User.objects.order_by("pk"))
        self.learning, self.manual = Project.objects.order_by("pk")

    def make(self) -> None:
        """Datapoints and two projects that have no task yet."""
        from apps.accounts.models import Organization, User
        from apps.projects.blueprints import BLUEPRINTS, Choice
        from apps.projects.services import create_project
        from apps.taxonomies import services as taxonomies
        from apps.warehouse import services as warehouse

        self.organization = Organization.objects.create(name="Bench", slug="bench")
        for number in range(HANDS):
            User.objects.create(email=f"hand-{number}@example.com")
        taxonomy = taxonomies.create(organization=self.organization, name="Parts", tree=["bolt", "nut", "washer"])
        self.dataset = warehouse.create_dataset(organization=self.organization, name="Bench")
        self._fill()
        for blueprint in ("autolabel", "manual"):
            labelset = warehouse.create_labelset(organization=self.organization, name=blueprint, taxonomy=taxonomy)
            stages = BLUEPRINTS[blueprint].build(Choice(self.dataset, labelset, taxonomy))
            project, _ = create_project(organization=self.organization, name=blueprint, stages=stages, by=None)
            type(project).objects.filter(pk=project.pk).update(status="ready")

    def _fill(self) -> None:
        from django.db import connection

        from apps.warehouse.storages import winnow_storage

        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO warehouse_datapoint
                    (dataset_id, storage_id, name, path, width, height, bytes,
                     thumbnail, rendition, error, meta, created_at)
                SELECT %s, %s, lpad(n::text, 8, '0') || '.jpg', 'bench/' || n || '.jpg', 640, 480, 90000,
                    '', '', '', '{}', now() FROM generate_series(1, %s) n
                """,
                [self.dataset.pk, winnow_storage(self.organization).pk, self.count],
            )
            cursor.execute("VACUUM ANALYZE warehouse_datapoint")

    def stage(self, project: Any, name: str) -> Any:
        from apps.projects.models import Stage

        return Stage.objects.select_related("taxonomy", "project__organization").get(project=project, name=name)

    def create(self) -> None:
        """Both projects' tasks, with their events."""
        from apps.labeling.transitions import create_tasks

        def make(stage: Any) -> None:
            last = 0
            while (chunk := create_tasks(stage=stage, after=last)).seen:
                last = chunk.last

        seconds = timed(lambda: make(self.stage(self.learning, "INPUT")), "create")
        make(self.stage(self.manual, "INPUT"))
        self.figures["create"] = self.count / seconds
        self.settle()

    def settle(self) -> None:
        """What autovacuum does within minutes, so that the figures do not depend on when it comes."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def work(self) -> None:
        """Labelers ask for one task after the other where all of them wait, and submit it."""
        from apps.labeling.selection import take_next
        from apps.labeling.transitions import submit

        stage = self.stage(self.manual, "LABEL")
        labels = [{"category": 0, "bbox": [0.1, 0.1, 0.2, 0.2], "source": "human"}] * self.boxes
        nexts, submits = [], []
        for number in range(NEXTS):
            user = self.users[number % len(self.users)]
            tasks: list[Any] = []
            nexts.append(timed(lambda user=user, tasks=tasks: tasks.extend(take_next(stage=stage, user=user)), "next"))
            task = tasks[0]
            submits.append(
                timed(
                    lambda task=task, user=user: submit(
                        task_id=task.uid, user=user, labels=labels, seconds=5, revision=task.revision
                    ),
                    "submit",
                )
            )
        for name, values in (("next", nexts), ("submit", submits)):
            self.figures[f"{name}_p50_ms"] = 1000 * statistics.median(values)
            self.figures[f"{name}_p95_ms"] = 1000 * statistics.quantiles(values, n=20)[-1]

    def predict(self) -> None:
        """A cycle's predictions of the whole queue, written as its shards do."""
        import numpy as np
        from django.db import transaction

        from apps.autolabel import predicting
        from apps.autolabel.models import Cycle
        from apps.autolabel.state import learner_of
        from apps.detector.types import Predicted
        from apps.labeling.models import Task

        stage = self.stage(self.learning, "ACTIVE_LEARNING")
        learner_of(stage)
        cycle = Cycle.objects.create(stage=stage, number=1)
        keys = list(Task.objects.filter(stage=stage).order_by("pk").values_list("pk", flat=True))
        dice = np.random.default_rng(1)
        seconds = 0.0
        for first in range(0, len(keys), SHARD):
            rows = [
                Predicted(
                    key=key,
                    boxes=dice.uniform(0.1, 0.4, (self.boxes, 4)),
                    classes=dice.integers(0, 3, self.boxes),
                    confidences=dice.random(self.boxes),
                    confidence=float(dice.random()),
                    embedding=dice.random(128),
                )
                for key in keys[first : first + SHARD]
            ]

            def write(rows: Sequence[Predicted] = rows) -> None:
                with transaction.atomic():
                    predicting.store(cycle, rows)

            seconds += timed(write, "predict")
        self.figures["predict"] = self.count / seconds
        self.settle()

    def rank(self) -> None:
        """The order of the queue, and the switch to it."""
        from apps.autolabel import learning, ranking
        from apps.autolabel.models import Cycle

        cycle = Cycle.objects.select_related("stage").get()
        self.figures["rank"] = self.count / timed(lambda: ranking.write_ranks(cycle, ranking.ranks_of(cycle)), "rank")
        self.figures["switch_ms"] = 1000 * timed(lambda: learning.make_current(cycle))
        self.settle()

    def send(self) -> None:
        from apps.autolabel.services import send_batch

        stage = self.stage(self.learning, "ACTIVE_LEARNING")
        size = min(1000, self.count // 2)
        values = [timed(lambda: send_batch(stage, size=size, by=self.users[0]), "send") for _ in range(SENDS)]
        self.figures["send_ms"] = 1000 * statistics.median(values)

    def overview(self) -> None:
        from apps.projects.overview import overview

        stages = list(self.learning.stages.select_related("dataset", "labelset__taxonomy", "taxonomy"))
        values = [timed(lambda: overview(self.learning, stages, self.users[0]), "overview") for _ in range(LOOKS)]
        self.figures["overview_ms"] = 1000 * statistics.median(values)

    def flush(self) -> None:
        from apps.autolabel.services import flush
        from apps.common.jobs import execute
        from apps.common.models import Run

        run = flush(self.stage(self.learning, "ACTIVE_LEARNING"), threshold=0.0, by=self.users[0])
        seconds = timed(lambda: execute(run.pk), "flush")
        result = Run.objects.get(pk=run.pk).result
        self.figures["flush"] = (result["labeled"] + result["auto"]) / seconds


def measure(count: int, boxes: int, state: Path, seconds: float) -> None:
    """In a process of its own: print the figures as one line of JSON."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connection

    figures = Bench(count, boxes, state).run(seconds)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(ASKED)])
        figures["postgresql"] = dict(cursor.fetchall())
        cursor.execute("SELECT version()")
        figures["postgresql"]["version"] = cursor.fetchone()[0].split(" on ")[0]
    print(json.dumps(figures))


def one(postgres: Any, count: int, options: argparse.Namespace) -> dict[str, Any]:
    url = postgres.create_database(f"bench_{count}")
    environment = os.environ | {
        "DATABASE_URL": url,
        "DATABASE_POOL": "false",
        "REDIS_URL": "unix:///nonexistent",
        "SECRET_KEY": "of-the-benchmark",
        "LOG_LEVEL": "ERROR",
    }
    state = options.var / f"bench-{count}.json"
    command = [sys.executable, __file__, "--tasks", str(count), "--boxes", str(options.boxes)]
    command += ["--minutes", str(options.minutes), "--measure", str(state)]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return figures


def table(rows: Sequence[dict[str, Any]]) -> None:
    print("| tasks | " + " | ".join(COLUMNS.values()) + " |")
    print("|" + "---|" * (len(COLUMNS) + 1))
    for row in rows:
        cells = [f"{row[key]:,.1f}" if key.endswith("ms") else f"{row[key]:,.0f}" for key in COLUMNS]
        print(f"| {row['tasks']:,} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="10000,100000,1000000")
    parser.add_argument("--boxes", type=int, default=5, help="boxes an image")
    parser.add_argument("--var", type=Path, help="folder that keeps the PostgreSQL cluster; a temporary one otherwise")
    parser.add_argument("--minutes", type=float, default=600, help="begin no phase after so many; call again to go on")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of PostgreSQL")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--measure", type=Path, metavar="STATE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(part) for part in options.tasks.split(",")]
    if options.measure:
        return measure(sizes[0], options.boxes, options.measure, 60 * options.minutes)
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: S103  the server runs as another user than root
        options.var = options.var or Path(folder)
        rows = served(sizes, options)
    report([row for row in rows if row.get("complete")], options.json)
    if unfinished := [f"{row['tasks']:,}" for row in rows if not row.get("complete")]:
        print(f"Not done yet with {', '.join(unfinished)} tasks: call again with the same --var.")


def served(sizes: Sequence[int], options: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of each size, from a server with the wanted settings."""
    from config.postgres import Postgres, home_of

    postgres = Postgres(home_of(options.var, is_default=False))
    postgres.options |= dict(part.split("=", 1) for part in options.set)
    postgres.start()
    try:
        return [one(postgres, size, options) for size in sizes]
    finally:
        postgres.stop()


def report(rows: Sequence[dict[str, Any]], out: Path | None) -> None:
    if not rows:
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rows[-1]['postgresql']}")
    table(rows)
    for row in rows:
        spent = ", ".join(f"{phase} {value:,.0f}" for phase, value in row["busy_us"].items())
        print(f"{row['tasks']:,} tasks, processor microseconds a task or call: {spent}")
    if out:
        out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
