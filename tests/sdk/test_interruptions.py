"""Promises to whoever's connection breaks: uploads and exports go on, and nothing comes twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import winnow

from apps.accounts.models import Organization
from apps.api.models import IdempotentRequest
from apps.common.models import Run
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint
from apps.warehouse.storages import winnow_storage
from config.processes import wait_until
from tests.conftest import WorkerProcess
from tests.sdk.conftest import ServerProcess
from tests.sdk.cutting import CuttingProxy

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[[str], winnow.Organization]
ENTRIES = 4000


def at_once(seconds: float) -> None:
    """Tries again without a pause."""


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[CuttingProxy]:
    between = CuttingProxy(server.address)
    yield between
    between.close()


@pytest.fixture
def acme(proxy: CuttingProxy, connect: Connect) -> winnow.Organization:
    found = connect(proxy.url)
    found._transport._wait = at_once
    return found


@pytest.fixture
def labelset(organization: Organization) -> str:
    """One whose file is some hundred kilobytes."""
    dataset = warehouse.create_dataset(organization=organization, name="many")
    storage = winnow_storage(organization)
    points = Datapoint.objects.bulk_create(
        Datapoint(dataset=dataset, storage=storage, name=f"{number:06}.jpg", path="-", width=640, height=480)
        for number in range(ENTRIES)
    )
    taxonomy = taxonomies.create(organization=organization, name="colors", tree=["red"])
    made = warehouse.create_labelset(organization=organization, name="final", taxonomy=taxonomy)
    box: dict[str, Any] = {"id": "a", "category": 0, "bbox": [0.25, 0.25, 0.5, 0.5], "source": "human"}
    upsert_entries(made.pk, [EntryRow(point.pk, [box], "human") for point in points])
    return made.name


def test_an_upload_goes_on_after_connections_broke(
    acme: winnow.Organization, proxy: CuttingProxy, pictures: Callable[[int], Path], organization: Organization
) -> None:
    dataset = acme.create_dataset("pictures")
    proxy.cut_up += [100_000, 300_000, 300_000]
    outcome = dataset.upload(pictures(24), progress=False)
    assert proxy.cuts == 3
    assert (len(outcome.created), outcome.failed) == (24, [])
    names = organization.datasets.get().datapoints.order_by("name").values_list("name", flat=True)
    assert list(names) == [f"{number:04}.png" for number in range(24)]


def test_an_answer_that_was_lost_is_given_again(
    acme: winnow.Organization, proxy: CuttingProxy, organization: Organization
) -> None:
    proxy.cut_down.append(1)
    assert acme.create_dataset("pictures").name == "pictures"
    assert proxy.cuts == 1
    assert organization.datasets.count() == 1


def test_an_upload_that_was_given_up_is_resumed_by_the_next_call(
    acme: winnow.Organization, proxy: CuttingProxy, pictures: Callable[[int], Path], organization: Organization
) -> None:
    folder, dataset = pictures(24), acme.create_dataset("pictures")
    proxy.cut_up.append(500_000)

    def die(seconds: float) -> None:
        proxy.dead = True

    acme._transport._wait = die
    with pytest.raises(winnow.WinnowError, match="cannot be reached"):
        dataset.upload(folder, progress=False)
    assert wait_until(lambda: not IdempotentRequest.objects.filter(status=None).exists(), 60), "uploads in flight end"
    there = organization.datasets.get().datapoints.count()
    assert 0 < there < 24
    proxy.dead, acme._transport._wait = False, at_once
    outcome = dataset.upload(folder, progress=False)
    assert (len(outcome.skipped), len(outcome.created), outcome.failed) == (there, 24 - there, [])


def test_an_export_goes_on_at_the_byte_where_it_broke(
    acme: winnow.Organization, proxy: CuttingProxy, labelset: str, worker: WorkerProcess, tmp_path: Path
) -> None:
    wanted = acme.labelset(labelset)
    run = acme._transport.post(f"{wanted._path}/exports", {"format": "coco"})
    whole = winnow.Run(acme._transport, acme._path, run).wait(progress=False).result["bytes"]
    assert whole > 500_000
    proxy.cut_down += [200_000, 200_000]
    file = wanted.export("coco", to=tmp_path, progress=False)
    assert proxy.cuts == 2
    assert len(json.loads(file.read_text())["annotations"]) == ENTRIES
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_an_export_that_was_given_up_is_resumed_by_the_next_call(
    acme: winnow.Organization, proxy: CuttingProxy, labelset: str, worker: WorkerProcess, tmp_path: Path
) -> None:
    wanted = acme.labelset(labelset)
    proxy.cut_down.append(300_000)

    def die(seconds: float) -> None:
        proxy.dead = True

    acme._transport._wait = die
    with pytest.raises(winnow.WinnowError, match="broke off"):
        wanted.export("coco", to=tmp_path, progress=False)
    (part,) = tmp_path.glob(".*.part")
    had = part.stat().st_size
    assert had > 0
    proxy.dead, acme._transport._wait = False, at_once
    received: list[int] = []
    download = acme._transport.download
    acme._transport.download = lambda url, file, tell: download(  # type: ignore[method-assign]
        url, file, tell=lambda size: received.append(size) or tell(size)
    )
    file = wanted.export("coco", to=tmp_path, progress=False)
    assert len(json.loads(file.read_text())["images"]) == ENTRIES
    assert sum(received) == file.stat().st_size - had
    assert Run.objects.filter(kind="export").count() == 1, "the file that was begun is the one that was fetched"
