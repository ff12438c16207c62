"""Exports: one consistent snapshot as a stream, its boxes what was stored times the size."""

import io
import json
import zipfile
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from globox import AnnotationSet, BoundingBox
from PIL import Image

from apps.accounts.models import Organization, User
from apps.common.http import Conflict
from apps.warehouse import exports
from apps.warehouse.formats.names import SPLITS, split_of
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Labelset, LabelsetEntry
from tests.warehouse.factory import ORIENTATION, make_datapoint, make_dataset, make_label, make_labelset, make_rows
from tests.warehouse.test_round_trips import exported

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_export_holds_what_was_stored(organization: Organization, owner: User, client_of) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 3)
    rows = [
        EntryRow(points[0].pk, [make_label(1, [0.125, 0.25, 0.5, 0.0625])], "human", author_id=owner.pk),
        EntryRow(points[1].pk, [make_label(0, source="model", confidence=0.5)], "model", confidence=0.8, cycle=4),
        EntryRow(points[2].pk, [], "human"),
    ]
    upsert_entries(labelset.pk, rows)
    response = client_of(owner).get(reverse("warehouse:labelset-export", args=["acme", labelset.pk]))
    assert response.streaming and response["Content-Disposition"] == 'attachment; filename="Final.json"'
    raw = json.loads(b"".join(response.streaming_content))
    assert [image["file_name"] for image in raw["images"]] == [point.name for point in points]
    assert [image["labeled_by"] for image in raw["images"]] == ["owner@example.com", None, None]
    assert (raw["images"][1]["source"], raw["images"][1]["cycle"]) == ("model", 4)
    assert raw["annotations"][0]["bbox"] == [12.5, 20, 50, 5] and raw["annotations"][0]["area"] == 250
    assert (raw["annotations"][1]["image_id"], raw["annotations"][1]["score"]) == (2, 0.5)
    assert raw["categories"] == [
        {"id": 0, "name": "car", "supercategory": "object"},
        {"id": 1, "name": "person", "supercategory": "object"},
    ]


def test_what_is_written_during_an_export_is_not_in_it(organization: Organization) -> None:
    from threading import Thread

    from django.db import connection

    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 3)
    upsert_entries(labelset.pk, [EntryRow(each.pk, [make_label()], "human") for each in points[:2]])
    with exports.snapshot():
        entries = labelset.entries.all()
        assert [len(batch) for batch in exports.items(entries, with_labels=False)] == [2]

        def write() -> None:
            upsert_entries(labelset.pk, [EntryRow(points[2].pk, [], "human")])
            upsert_entries(labelset.pk, [EntryRow(points[0].pk, [], "human")])
            connection.close()

        writer = Thread(target=write)
        writer.start()
        writer.join()
        (batch,) = exports.items(entries, with_labels=True)
        assert [len(item.labels) for item in batch] == [1, 1]
    assert labelset.entries.count() == 3


def test_an_unknown_format_is_refused_and_a_strangers_labelset_is_not_there(
    organization: Organization, owner: User, stranger: User, labeler: User, client_of
) -> None:
    url = reverse("warehouse:labelset-export", args=["acme", make_labelset(organization).pk])
    assert client_of(owner).get(url, {"format": "word"}).status_code == 422
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(labeler).get(url).status_code == 403
    assert Client().get(url).status_code == 302


@pytest.fixture
def pictures(organization: Organization) -> tuple[Labelset, list[Datapoint]]:
    """Three real images, one of them turned, each with a car by hand and a person by the model."""
    labelset, dataset = make_labelset(organization), make_dataset(organization)
    points = [make_datapoint(dataset, f"{n}.jpg", orientation=6 if n else 1) for n in range(3)]
    labels = [make_label(0), make_label(1, [0, 0, 0.5, 0.5], source="model", confidence=0.4)]
    upsert_entries(labelset.pk, [EntryRow(each.pk, labels, "human") for each in points])
    return labelset, points


def test_images_in_the_archive_are_upright_and_what_is_lost_is_told(
    pictures: tuple[Labelset, list[Datapoint]],
) -> None:
    labelset, points = pictures
    default_storage.delete(points[2].path)
    with zipfile.ZipFile(io.BytesIO(exported(labelset, "yolo", images=True))) as archive:
        shown = {
            PurePath(name).name: Image.open(archive.open(name)) for name in archive.namelist() if "images/" in name
        }
        left_out = json.loads(archive.read("winnow.json"))["left_out"]
    assert {name: (image.size, image.getexif().get(ORIENTATION, 1)) for name, image in shown.items()} == {
        "0.jpg": ((64, 48), 1),
        "1.jpg": ((48, 64), 1),
    }
    red, _, blue = shown["1.jpg"].getpixel((24, 4))
    assert red > blue  # The left half is on top now.
    assert [(each["file_name"], "not in the storage" in each["reason"]) for each in left_out] == [("2.jpg", True)]


@pytest.mark.parametrize("name", ["coco", "yolo", "voc"])
def test_others_read_the_same_boxes(pictures: tuple[Labelset, list[Datapoint]], name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(exported(pictures[0], name, images=True))) as archive:
        archive.extractall(tmp_path)
    match name:
        case "coco":
            found, names = AnnotationSet.from_coco(tmp_path / "labels.json"), None
        case "yolo":
            images, labels = tmp_path / "images", tmp_path / "labels"
            found = AnnotationSet.from_yolo_v5(labels, image_folder=images, recursive=True)
            names = yaml.safe_load((tmp_path / "data.yaml").read_text())["names"]
        case "voc":
            found, names = AnnotationSet.from_pascal_voc(tmp_path / "Annotations"), None
    upright, turned = ["car 16 12 48 36", "person 0 0 32 24"], ["car 12 16 36 48", "person 0 0 24 32"]
    assert {each.image_id: [_told(box, names) for box in each.boxes] for each in found} == {
        "0.jpg": upright,
        "1.jpg": turned,
        "2.jpg": turned,
    }


def _told(box: BoundingBox, names: dict[int, str] | None) -> str:
    """A class and the edges of its box in pixels."""
    edges = " ".join(f"{edge:g}" for edge in box.ltrb)
    return f"{names[int(box.label)] if names else box.label} {edges}"


def test_sizes_that_nobody_has_read_are_read_now_unless_they_are_too_many(
    pictures: tuple[Labelset, list[Datapoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    labelset, points = pictures
    default_storage.delete(points[0].path)
    Datapoint.objects.update(width=None, height=None)
    assert len(json.loads(exported(labelset, "redbrick"))) == 3  # Without pixels no size is needed.
    monkeypatch.setattr(exports, "SIZES_AT_ONCE", 2)
    with pytest.raises(Conflict, match="not known yet"):
        exported(labelset, "coco")
    raw = json.loads(exported(labelset, "coco", leave_out_unsized=True))
    assert (raw["images"], len(raw["left_out"])) == ([], 3) and "not known" in raw["left_out"][0]["reason"]
    monkeypatch.setattr(exports, "SIZES_AT_ONCE", 3)
    raw = json.loads(exported(labelset, "coco"))
    assert [(each["width"], each["height"]) for each in raw["images"]] == [(48, 64)] * 2
    assert [(each["file_name"], "not in the storage" in each["reason"]) for each in raw["left_out"]] == [
        ("0.jpg", True)
    ]
    assert b"0.jpg,,,,,,,,,,,,,,,,,,,left out: The file is not in the storage" in exported(labelset, "csv")


def test_the_splits_of_an_export_are_all_of_it_and_nothing_twice(organization: Organization) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 60)
    upsert_entries(labelset.pk, [EntryRow(each.pk, [make_label()], "human") for each in points])
    parts = [json.loads(exported(labelset, "coco", split=split)) for split in SPLITS]
    assert sorted(each["file_name"] for part in parts for each in part["images"]) == [each.name for each in points]
    assert all(part["images"] for part in parts)
    for split, part in zip(SPLITS, parts, strict=True):
        assert {split_of(each["file_name"]) for each in part["images"]} == {split}
        ids = [each["image_id"] for each in part["annotations"]]
        assert ids == list(range(1, len(part["images"]) + 1))


def test_boxes_that_do_not_match_stay_or_go_as_one_chooses(pictures: tuple[Labelset, list[Datapoint]]) -> None:
    labelset, _ = pictures

    def classes(**chosen: Any) -> list[int]:
        raw = json.loads(exported(labelset, "coco", **chosen))
        assert len(raw["images"]) == 3
        return [each["category_id"] for each in raw["annotations"]]

    assert classes(category=1) == [0, 1] * 3
    assert classes(category=1, only_matching_boxes=True) == [1] * 3
    assert classes(source="human", only_matching_boxes=True) == [0] * 3
    LabelsetEntry.objects.update(confidence=0.4)
    assert classes(low=0.3, only_matching_boxes=True) == [1] * 3
    assert classes(high=0.4, only_matching_boxes=True) == [1] * 3
