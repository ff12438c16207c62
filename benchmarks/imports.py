"""How fast an items list comes into PostgreSQL, in how much memory, and how fast its first and last page are.

python benchmarks/imports.py [--sizes 10000,100000,1000000] [--json OUT]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from inside import Figures, in_django, measure, peak_mb

# Measured on two cores with its own server: POSTs of 10,000 tasks that name an image by URL, and how long they took.
LABEL_STUDIO = [
    ("SQLite", 10_000, 1.5),
    ("PostgreSQL", 10_000, 2.0),
    ("SQLite", 100_000, 16.1),
    ("PostgreSQL", 100_000, 21.1),
]


def run(size: int) -> list[Figures]:
    from apps.accounts.models import Membership, Organization, Role, User
    from apps.common import runs
    from apps.warehouse import imports, methods, services

    organization = Organization.objects.create(name=f"B{size}", slug=f"b{size}")
    owner = User.objects.create_user(f"b{size}@example.com", "correct horse battery")
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    dataset = services.create_dataset(organization=organization, name="Images")
    storage = methods.create(organization=organization, by=owner, name="Web", provider="PUBLIC")
    with tempfile.TemporaryFile() as file:
        file.write(b"[")
        for n in range(size):
            comma = b",\n" if n else b""
            file.write(comma + b'{"url": "https://images.example.org/cam-%03d/frame-%08d.jpg"}' % (n % 997, n))
        file.write(b"]")
        file.seek(0)
        began = time.perf_counter()
        row = imports.start_items_list(dataset=dataset, storage=storage, file=file, by=owner)
        checked = time.perf_counter() - began
    handle = runs.start(row.run.pk)
    began, worked = time.perf_counter(), _cpu_seconds()
    handle.finish(imports.perform(handle))
    seconds, worked = time.perf_counter() - began, _cpu_seconds() - worked
    peak = peak_mb()
    row.refresh_from_db()
    assert (row.created, row.failed) == (size, 0)
    first, last = _pages(owner, dataset)
    return [
        {
            "what": "Winnow",
            "items": size,
            "check s": checked,
            "import s": seconds,
            "items/s": round(size / seconds),
            "all items/s": round(size / (seconds + checked)),
            "cpu s": worked,
            "peak MB": peak,
            "first page ms": first,
            "last page ms": last,
        }
    ]


def label_studio() -> list[Figures]:
    return [
        {"what": f"Label Studio 1.23, {database}", "items": size, "check s": "-", "import s": seconds,
         "items/s": round(size / seconds)}
        for database, size, seconds in LABEL_STUDIO
    ]  # fmt: skip


def _cpu_seconds() -> float:
    """Of this process and of its session in PostgreSQL: what the import costs on a machine that is busy with others."""
    import psutil
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        times = psutil.Process(cursor.fetchone()[0]).cpu_times()
    return time.process_time() + times.user + times.system


def _pages(owner: Any, dataset: Any) -> tuple[float, float]:
    """The grid's fragment: the first page, and the last by its key. The best of three, as a page seen before."""
    from django.conf import settings
    from django.test import Client
    from django.urls import reverse

    from apps.common.paging import page_by_key

    settings.ALLOWED_HOSTS = ["*"]
    client = Client(headers={"HX-Request": "true"})
    client.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    url = reverse("warehouse:dataset", args=[dataset.organization.slug, dataset.pk])
    near_end = dataset.datapoints.order_by("-pk")[60]
    after = page_by_key(dataset.datapoints.filter(pk__lte=near_end.pk), ("-pk",), size=1)
    cursor = page_by_key(dataset.datapoints.filter(pk__gte=after.rows[0].pk), ("pk",), size=1).next

    def best(query: dict[str, str]) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            assert client.get(url, query).status_code == 200
            times.append((time.perf_counter() - began) * 1000)
        return min(times)

    return best({}), best({"after": cursor})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        in_django(run, options.size)
    else:
        measure(__file__, [int(each) for each in options.sizes.split(",")], options.json, others=label_studio())
