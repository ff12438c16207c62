"""Every page of the warehouse and of taxonomies in both widths and themes, empty and full."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Organization, User
from apps.taxonomies import services as taxonomies
from apps.taxonomies.readymade import READYMADE
from apps.warehouse import imports, methods
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Dataset, Import, Labelset
from tests.browser.screens import Shoot, screens
from tests.warehouse.factory import make_datapoint, make_dataset, make_label
from tests.warehouse.test_imports import make_zip, work
from tests.warehouse.test_views import put_to_work

__all__ = ["screens"]

LONG = "2021-03-04/front-left/vehicle-0017/a-very-long-name-of-a-frame-that-nobody-shortened-{:05}.jpg"
ROADS = [
    {"name": "vehicle", "children": [{"name": "car", "description": "Up to 3.5 t"}, {"name": "truck"}]},
    {
        "name": "person",
        "attributes": [
            {"name": "pose", "type": "select", "options": ["standing", "sitting"]},
            {"name": "occluded", "type": "boolean"},
        ],
    },
]


@pytest.fixture
def labelset(organization: Organization, owner: User) -> Labelset:
    """Of a taxonomy with levels, descriptions and attributes."""
    from apps.warehouse import services

    roads = taxonomies.create(organization=organization, name="Roads", tree=ROADS, description="What drives and walks")
    return services.create_labelset(organization=organization, name="Final", taxonomy=roads, by=owner)


@pytest.fixture
def dataset(organization: Organization, labelset: Labelset, owner: User) -> Dataset:
    """A dozen images with long names, one that cannot be read, eight of them labeled."""
    dataset = make_dataset(organization, "Street scenes")
    points = [make_datapoint(dataset, LONG.format(n), width=480 + n, height=320) for n in range(12)]
    Datapoint.objects.filter(pk=points[-1].pk).update(error="Not a picture Winnow can read: JPEG, PNG or TIFF.")
    human = [make_label(1, [0.1, 0.2, 0.3, 0.4]), make_label(3, [0.6, 0.3, 0.15, 0.5])]
    model = [make_label(2, [0.3, 0.3, 0.4, 0.3], source="model", confidence=0.71)]
    upsert_entries(labelset.pk, [EntryRow(p.pk, human, "human", author_id=owner.pk) for p in points[:5]])
    upsert_entries(labelset.pk, [EntryRow(p.pk, model, "model", confidence=0.7, cycle=3) for p in points[5:8]])
    return dataset


@pytest.fixture
def listed(organization: Organization, dataset: Dataset, owner: User) -> Import:
    """An import with some failures, beside two storages."""
    methods.create(
        organization=organization, by=owner, name="Archive", provider="AWS_S3", bucket="a-bucket", region="eu-west-1",
        access_key="AKIAEXAMPLE", secret_key="a secret",
    )  # fmt: skip
    web = methods.create(organization=organization, by=owner, name="Web", provider="PUBLIC")
    items = [{"url": f"https://images.example.org/{n}.jpg", "name": LONG.format(100 + n)} for n in range(3)]
    items += [{"url": "relative.png"}, {"url": "https://images.example.org/0.jpg", "name": items[0]["name"]}]
    file = io.BytesIO(json.dumps(items).encode())
    row = imports.start_items_list(dataset=dataset, storage=web, file=file, by=owner)
    work(row.run)
    Datapoint.objects.filter(import_row=row).update(error="images.example.org answered 404.")
    return row


def test_pages_of_an_empty_warehouse_read_well(
    screens: Shoot, logged_in: Callable[[User], None], owner: User, organization: Organization
) -> None:
    logged_in(owner)
    for name in ("datasets", "labelsets", "imports", "taxonomies", "storage"):
        screens(f"/o/acme/{name}/", f"empty-{name}")
    dataset = make_dataset(organization)
    screens(f"/o/acme/datasets/{dataset.pk}/", "empty-dataset")


def test_pages_of_datasets_and_imports_read_well(
    screens: Shoot, logged_in: Callable[[User], None], owner: User, dataset: Dataset, listed: Import, settings: Any
) -> None:
    settings.IMPORT_FOLDERS = ["/srv/images", "/mnt/archive"]
    logged_in(owner)
    here, point = f"/o/acme/datasets/{dataset.pk}", dataset.datapoints.order_by("pk")[0]
    put_to_work(point)
    screens("/o/acme/datasets/", "datasets")
    screens(f"{here}/", "dataset-grid")
    screens(f"{here}/?view=list", "dataset-list")
    screens(f"{here}/?state=failed", "dataset-failed")
    screens(f"{here}/?q=nothing-is-called-so", "dataset-nothing")
    screens(f"{here}/datapoints/{point.uid}/", "datapoint")
    screens(f"{here}/upload/", "upload")
    for way in ("items-list", "s3-prefix", "zip", "folder"):
        screens(f"{here}/import/{way}/", f"import-{way}")
    work(imports.start_zip(dataset=dataset, file=make_zip(**{"x.jpg": b"text"}), by=owner).run)
    screens("/o/acme/imports/", "imports")
    screens(f"/o/acme/imports/{listed.pk}/", "import")


def test_pages_of_labelsets_and_storage_read_well(
    screens: Shoot, logged_in: Callable[[User], None], owner: User, dataset: Dataset, labelset: Labelset, listed: Import
) -> None:
    logged_in(owner)
    here = f"/o/acme/labelsets/{labelset.pk}"
    screens("/o/acme/labelsets/", "labelsets")
    screens(f"{here}/", "labelset")
    screens(f"{here}/?source=model&low=0.5", "labelset-model")
    screens("/o/acme/storage/", "storage")
    screens("/o/acme/storage/guide/?bucket=a-bucket", "guide")


def test_pages_of_taxonomies_read_well(
    screens: Shoot, logged_in: Callable[[User], None], owner: User, organization: Organization, labelset: Labelset
) -> None:
    logged_in(owner)
    name, description, nodes = READYMADE["coco"]
    coco = taxonomies.create(organization=organization, name=name, tree=nodes, description=description)
    roads = taxonomies.update(taxonomy=labelset.taxonomy, tree=[*ROADS, {"name": "tram"}])
    screens("/o/acme/taxonomies/", "taxonomies")
    screens(f"/o/acme/taxonomies/{coco.pk}/", "taxonomy-coco")
    screens(f"/o/acme/taxonomies/{roads.pk}/", "taxonomy-roads")
    screens(f"/o/acme/taxonomies/{labelset.taxonomy.pk}/", "taxonomy-old")
    screens("/o/acme/taxonomies/new/", "taxonomy-new")
    screens("/o/acme/taxonomies/new/?from=bdd", "taxonomy-readymade")
    screens(f"/o/acme/taxonomies/{roads.pk}/edit/", "taxonomy-edit")
    screens(f"/o/acme/taxonomies/{roads.pk}/edit/?as=json", "taxonomy-edit-json")
