"""How fast a labelset of ten boxes an image leaves as a file, in how much memory, and when its first byte comes.

python benchmarks/exports.py [--sizes 10000,100000,1000000] [--json OUT]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from inside import Figures, in_django, measure, peak_mb

BOXES = 10
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
    'bbox', jsonb_build_array(random() / 2, random() / 2, random() / 2 + 0.01, random() / 2 + 0.01)))
  FROM generate_series(1, %s) AS box WHERE id > 0), 'model', random(), 1, NULL::bigint
FROM warehouse_datapoint WHERE dataset_id = %s
"""


def run(size: int) -> list[Figures]:
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
    rows = []
    for name, chosen in exports.FORMATS.items():
        began, worked, first, total = time.perf_counter(), time.process_time(), 0.0, 0
        for chunk in chosen.write(labelset, labelset.entries.all()):
            first = first or (time.perf_counter() - began) * 1000
            total += len(chunk)
        seconds = time.perf_counter() - began
        worked = time.process_time() - worked
        row: Figures = {"format": name, "entries": size, "seconds": seconds, "entries/s": round(size / seconds)}
        row["cpu s"] = worked
        rows.append(row | {"first byte ms": first, "MB": total / 2**20, "peak MB": peak_mb()})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        in_django(run, options.size)
    else:
        measure(__file__, [int(each) for each in options.sizes.split(",")], options.json)
