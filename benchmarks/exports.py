"""How fast a labelset of ten boxes an image leaves as a file, in how much memory, and when its first byte comes.

python benchmarks/exports.py [--sizes 10000,100000,1000000] [--formats coco,yolo] [--json OUT]

Each format of each size is written by a process of its own, so that its peak memory is its own. The rows of Label
Studio are its published figures: 1.23 on 2 cores, 10^5 tasks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
from inside import Figures, in_django, measure, peak_mb

BOXES = 10
LABEL_STUDIO = (("json", "SQLite", 102), ("coco", "SQLite", 109), ("yolo", "SQLite", 114), ("json", "PostgreSQL", 189))
_POINTS = """
INSERT INTO warehouse_datapoint
  (dataset_id, storage_id, name, path, width, height, thumbnail, rendition, error, meta, created_at)
SELECT %s, %s, 'frame-' || n || '.jpg', 'frame-' || n || '.jpg', 1920, 1080, '', '', '', '{}', now()
FROM generate_series(1, %s) AS n
"""
_LABELS = """
SELECT id, gen_random_uuid(), (
  SELECT jsonb_agg(jsonb_build_object(
    'id', gen_random_uuid(), 'category', box %% 5, 'source', 'model', 'confidence', round(random()::numeric, 4),
    'bbox', jsonb_build_array(random() / 2, random() / 2, random() / 2 + 0.01, random() / 2 - 0.01)))
  FROM generate_series(1, %s) AS box WHERE id > 0), 'model', random(), 1, NULL::bigint
FROM warehouse_datapoint WHERE dataset_id = %s
"""


def run(size: int) -> list[Figures]:
    """Makes the labelset, then has each format written by a process of its own."""
    from django.db import connection

    from apps.accounts.models import Organization
    from apps.taxonomies import services as taxonomies
    from apps.warehouse import exports, services
    from apps.warehouse.labelset_entries import upsert_from
    from apps.warehouse.storages import winnow_storage

    organization = Organization.objects.create(name=f"B{size}", slug=f"b{size}")
    dataset = services.create_dataset(organization=organization, name="Images")
    taxonomy = taxonomies.create(organization=organization, name="Five", tree=["a", "b", "c", "d", "e"])
    labelset = services.create_labelset(organization=organization, name="Final", taxonomy=taxonomy)
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, [dataset.pk, winnow_storage(organization).pk, size])
        upsert_from(labelset.pk, _LABELS, [BOXES, dataset.pk])
        cursor.execute("VACUUM ANALYZE warehouse_labelsetentry, warehouse_datapoint")
    rows = []
    for name in options.formats.split(",") if options.formats else exports.FORMATS:
        command = [sys.executable, __file__, "--labelset", str(labelset.pk), "--formats", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
    return rows


def export(labelset_id: int) -> list[Figures]:
    from django.db import connection

    from apps.warehouse import exports
    from apps.warehouse.models import Labelset

    labelset = Labelset.objects.get(pk=labelset_id)
    size = labelset.entries.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = psutil.Process(cursor.fetchone()[0])
    began, ours, theirs, first, total = time.perf_counter(), time.process_time(), _cpu_seconds(server), 0.0, 0
    for chunk in exports.begin(exports.FORMATS[options.formats], labelset, by=None).content:
        first = first or (time.perf_counter() - began) * 1000
        total += len(chunk)
    seconds = time.perf_counter() - began
    row: Figures = {"format": options.formats, "entries": size, "seconds": seconds, "entries/s": round(size / seconds)}
    row |= {"cpu s": time.process_time() - ours, "database cpu s": _cpu_seconds(server) - theirs}
    return [row | {"first byte ms": first, "MB": total / 2**20, "peak MB": peak_mb()}]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def label_studio() -> list[Figures]:
    size = 100_000
    return [
        {"format": f"Label Studio 1.23 {name}, {database}", "entries": size, "seconds": float(seconds),
         "entries/s": round(size / seconds)}
        for name, database, seconds in LABEL_STUDIO
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--formats", default="", help="some of coco,yolo,voc,csv,redbrick; all if not given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--labelset", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.labelset:
        in_django(export, options.labelset)
    elif options.size:
        in_django(run, options.size)
    else:
        more = ["--formats", options.formats] if options.formats else []
        measure(__file__, [int(each) for each in options.sizes.split(",")], options.json, more, label_studio())
