"""A file of labels beside the images: COCO or RedBrick's, with every doubt told, and never half of it."""

import io
import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.common import runs
from apps.warehouse import imports, label_files
from apps.warehouse.models import Dataset, Import, Labelset, LabelsetEntry, StorageMethod
from tests.warehouse.bucket import Bucket
from tests.warehouse.factory import make_datapoint, make_picture
from tests.warehouse.test_imports import counts, kill_and_work, make_zip, work

BOX = {"xnorm": 0.25, "ynorm": 0.5, "wnorm": 0.25, "hnorm": 0.25}
REDBRICK = {"category": [["object", "car"]], "bbox2d": BOX}


def coco(*images: tuple[str, int, int], boxes: tuple[tuple[int, str, list[float]], ...] = ()) -> dict[str, Any]:
    """Images by name and size, boxes by the number of their image, class and place."""
    classes = ["car", "tram"]
    return {
        "images": [{"id": n, "file_name": f, "width": w, "height": h} for n, (f, w, h) in enumerate(images)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": classes.index(c), "bbox": b} for n, (i, c, b) in enumerate(boxes)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(classes)],
    }


def start(dataset: Dataset, labelset: Labelset, labels: object, **files: bytes) -> Import:
    data = labels if isinstance(labels, bytes) else json.dumps(labels).encode()
    archive = make_zip(**(files or {"a.jpg": make_picture(), "sub/b.jpg": make_picture()}))
    return imports.start_zip(dataset=dataset, file=archive, labels=io.BytesIO(data), labelset=labelset, by=None)


def entries() -> dict[str, list[list[float]]]:
    rows = LabelsetEntry.objects.select_related("datapoint")
    return {row.datapoint.name: [label["bbox"] for label in row.labels] for row in rows}


def told(row: Import) -> dict[str, str]:
    return dict(row.failures.values_list("name", "reason"))


def test_coco_lands_in_the_labelset_and_what_is_doubtful_is_told(dataset: Dataset, labelset: Labelset) -> None:
    boxes = ((0, "car", [16, 24, 16, 12]), (0, "tram", [0, 0, 5, 5]), (1, "car", [60, 0, 20, 5]))
    file = coco(("a.jpg", 64, 48), ("sub/b.jpg", 64, 48), ("gone.jpg", 1, 1), boxes=boxes)
    row = start(dataset, labelset, file)
    work(row.run)
    assert entries() == {"a.jpg": [[0.25, 0.5, 0.25, 0.25]], "sub/b.jpg": []}
    assert LabelsetEntry.objects.filter(source="import").count() == 2
    reasons = told(row)
    assert "tram" in reasons["a.jpg"] and "outside the image" in reasons["sub/b.jpg"]
    assert "No image of this name" in reasons["gone.jpg"]
    row.refresh_from_db()
    assert (row.created, row.labeled, row.failed) == (2, 2, 3)


def test_redbricks_list_lands_there_too(dataset: Dataset, labelset: Labelset) -> None:
    items = [
        {"items": ["a.jpg"], "labels": [REDBRICK]},
        {"name": "sub/b.jpg", "labels": [{"category": [["object", "tram"]], "bbox2d": BOX}]},
        {"labels": []},
        {"name": "a.jpg", "labels": []},
    ]
    row = start(dataset, labelset, items)
    work(row.run)
    assert entries() == {"a.jpg": [[0.25, 0.5, 0.25, 0.25]]}
    assert set(told(row)) == {"sub/b.jpg", "item 3", "a.jpg"}


def test_a_bare_file_name_finds_the_one_image_whose_path_ends_so(dataset: Dataset, labelset: Labelset) -> None:
    pictures = {f"{folder}/{name}": make_picture() for folder, name in [("x", "a.jpg"), ("x", "b.jpg"), ("y", "b.jpg")]}
    row = start(dataset, labelset, coco(("a.jpg", 64, 48), ("b.jpg", 64, 48)), **pictures)
    work(row.run)
    assert entries() == {"x/a.jpg": []}
    assert "Several images" in told(row)["b.jpg"]


def test_images_of_other_imports_keep_their_labels(dataset: Dataset, labelset: Labelset) -> None:
    make_datapoint(dataset, "a.jpg")
    row = start(dataset, labelset, [{"name": "a.jpg", "labels": [REDBRICK]}])
    work(row.run)
    assert entries() == {}
    assert counts(row) == (1, 0, 2)


def test_images_of_a_bucket_take_the_size_that_the_file_gives(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset, labelset: Labelset
) -> None:
    for name in ("in/a.jpg", "in/b.jpg"):
        bucket.put(name, make_picture())
    file = coco(("a.jpg", 64, 48), ("in/b.jpg", 0, 0), boxes=((0, "car", [16, 24, 16, 12]),))
    row = imports.start_prefix(
        dataset=dataset, storage=s3_method, prefix="in/", labels=io.BytesIO(json.dumps(file).encode()),
        labelset=labelset, by=None,
    )  # fmt: skip
    work(row.run)
    assert entries() == {"in/a.jpg": [[0.25, 0.5, 0.25, 0.25]]}
    assert "how large" in told(row)["in/b.jpg"]


@pytest.mark.parametrize("data", [b'{"images": 3}', b"[1, 2", b'{"annotations": []}', b"{" * 100_000, b"\xff[]"[:1]])
def test_a_file_that_is_broken_as_a_whole_brings_nothing_in(dataset: Dataset, labelset: Labelset, data: bytes) -> None:
    try:
        row = start(dataset, labelset, data)
    except ValidationError:
        assert not Import.objects.exists()
        return
    handle = runs.start(row.run.pk)
    with pytest.raises(runs.Failure, match="labels"):
        imports.perform(handle)
    assert not dataset.datapoints.exists() and not row.failures.exists()


def test_killed_between_labels_and_run_again_nothing_is_lost_or_told_twice(
    dataset: Dataset, labelset: Labelset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_files, "NAMES_AT_ONCE", 1)
    row = start(dataset, labelset, coco(("a.jpg", 64, 48), ("gone.jpg", 1, 1), ("sub/b.jpg", 64, 48)))
    kill_and_work(row, monkeypatch)
    row.refresh_from_db()
    assert (row.created, row.labeled, row.failed) == (2, 2, 1)
    assert set(entries()) == {"a.jpg", "sub/b.jpg"}


def test_the_form_wants_file_and_labelset_together(
    dataset: Dataset, labelset: Labelset, owner: User, client_of: Any
) -> None:
    page = f"/o/acme/datasets/{dataset.pk}/import/zip/"
    client = client_of(owner)

    def post(**more: object) -> int:
        return client.post(page, {"file": make_zip(**{"a.jpg": make_picture()}), **more}).status_code

    assert post(labels=io.BytesIO(b"[]")) == 422
    assert post(labelset=labelset.pk) == 422
    assert post(labels=io.BytesIO(b"hello"), labelset=labelset.pk) == 422
    assert post(labels=io.BytesIO(b"[]"), labelset=labelset.pk) == 302
    assert Import.objects.get().labelset == labelset
