"""Every format out: read by a reader of its own, and the same labels come back."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
import zipfile
from typing import Any

import pytest
import yaml
from faster_coco_eval import COCO
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Organization
from apps.common import runs
from apps.warehouse import exports, imports, methods
from apps.warehouse.formats import Class, Item, redbrick, table, voc, yolo
from apps.warehouse.formats.names import Names, split_of
from apps.warehouse.formats.zipstream import stream
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Labelset
from tests.warehouse.factory import make_dataset, make_label, make_labelset, make_rows
from tests.warehouse.test_coco import content_of, make_box, make_item

CLASSES = [Class(3, "car", "object", ("object", "car")), Class(7, "bus <b>", "car", ("object", "car", "bus <b>"))]


def make_items() -> list[Item]:
    boxes = [make_box(3, [0.1, 0.2, 0.3, 0.4], "model", confidence=0.5), make_box(7, [0, 0, 1, 1])]
    return [
        make_item(name="a/one.jpg", labels=boxes),
        make_item(name="a/one.png", source="human", confidence=None),
        make_item(name="../../etc/con.jpg", labels=boxes[:1]),
    ]


def unzip(parts: Any) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_yolo_has_true_centers_and_classes_without_gaps() -> None:
    items = make_items()
    files = unzip(stream(yolo.files(content_of(CLASSES, items))))
    assert yaml.safe_load(files["data.yaml"])["names"] == {0: "car", 1: "bus <b>"}
    lines = files[f"labels/{split_of('a/one.jpg')}/a/one.txt"].splitlines()
    assert [[float(part) for part in line.split()] for line in lines] == [
        [0, 0.25, 0.4, 0.3, 0.4],
        [1, 0.5, 0.5, 1, 1],
    ]
    assert files[f"labels/{split_of('a/one.png')}/a/one-{items[1].uid}.txt"] == ""
    assert f"labels/{split_of('../../etc/con.jpg')}/etc/_con.txt" in files


def test_voc_has_corners_in_pixels() -> None:
    files = unzip(stream(voc.files(content_of(CLASSES, make_items()))))
    root = ElementTree.fromstring(files["Annotations/a/one.xml"])  # noqa: S314
    assert (root.findtext("filename"), root.findtext("size/width")) == ("a/one.jpg", "640")
    boxes = [[float(each.text or 0) for each in box] for box in root.iter("bndbox")]
    assert boxes == [[64, 96, 256, 288], [0, 0, 640, 480]]
    assert [each.text for each in root.iter("name")] == ["car", "bus <b>"]
    assert root.findtext("object/confidence") == "0.5" and root.findtext("object/source") == "model"
    listed = "".join(files[f"ImageSets/Main/{split}.txt"] for split in ("train", "val", "test"))
    assert len(listed.splitlines()) == 3


def test_csv_has_a_row_a_box_and_one_for_an_empty_image() -> None:
    rows = list(csv.DictReader(io.StringIO(b"".join(table.write(content_of(CLASSES, make_items()))).decode())))
    assert [(row["name"], row["class"]) for row in rows] == [
        ("a/one.jpg", "car"), ("a/one.jpg", "bus <b>"), ("a/one.png", ""), ("../../etc/con.jpg", "car"),
    ]  # fmt: skip
    assert [rows[0][key] for key in ("x", "y", "width", "height", "confidence")] == [
        "64.0",
        "96.0",
        "192.0",
        "192.0",
        "0.5",
    ]


def test_redbrick_has_paths_and_normalized_corners() -> None:
    first, second, _ = json.loads(b"".join(redbrick.write(content_of(CLASSES, make_items()))))
    assert first["labels"][1]["category"] == [["object", "car", "bus <b>"]]
    assert first["labels"][0]["bbox2d"] == {"xnorm": 0.1, "ynorm": 0.2, "wnorm": 0.3, "hnorm": 0.4}
    assert second["labels"] == [] and "confidence" not in second and second["items"] == ["p"]


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=8), st.binary(max_size=300)), max_size=20, unique_by=lambda f: f[0])
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_an_archive_streamed_is_an_archive(files: list[tuple[str, bytes]]) -> None:
    files = [(name, data) for name, data in files if "\x00" not in name and "/" not in name and "\\" not in name]
    files = [(name, data) for name, data in files if name.isprintable()]
    with zipfile.ZipFile(io.BytesIO(b"".join(stream(files)))) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == files


def test_an_archive_of_more_files_than_fit_in_16_bits_is_read() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(stream((f"{n}", b"x") for n in range(70_000))))) as archive:
        assert len(archive.namelist()) == 70_000 and archive.read("69999") == b"x"


@given(st.text(min_size=1, max_size=30).filter(str.isprintable))
@example("/")
@example("../..")
@example("İ.jpg")
def test_a_stem_stays_inside_its_folder_on_every_disk(name: str) -> None:
    names = Names()
    stems = [names.stem(make_item(name=name)) for _ in range(3)]
    assert len({stem.lower() for stem in stems}) == 3
    for stem in stems:
        assert (
            stem and not stem.startswith("/") and ".." not in stem.split("/") and "\\" not in stem and ":" not in stem
        )


def test_files_of_an_export_fit_on_a_disk_and_none_is_a_folder_too() -> None:
    names = Names()
    long = [make_item(name=f"{'漢' * 100}.jpg") for _ in range(2)]
    assert all(len(names.file(item).encode()) <= 255 for item in long)
    files = [names.file(make_item(name=name)) for name in ("a.jpg", "a.jpg/1.jpg")]
    assert files == ["a.jpg", "a_jpg/1.jpg"]


def test_splits_are_shares_that_stay() -> None:
    names = [f"{n}.jpg" for n in range(5000)]
    splits = [split_of(name) for name in names]
    assert splits == [split_of(name) for name in names]
    assert 0.77 < splits.count("train") / 5000 < 0.83 and splits.count("val") and splits.count("test")


@pytest.fixture
def labelset(transactional_db: None, organization: Organization) -> Labelset:
    """A labelset of public images with labels by hand, by the model, and none."""
    labelset, dataset = make_labelset(organization), make_dataset(organization)
    points = make_rows(dataset, 4)
    for point in points:
        point.path = f"https://images.example.org/{point.name}"
        point.save(update_fields=["path"])
    boxes = [make_label(0, [0.123456789, 0.2, 0.3, 0.1]), make_label(1, [0.5, 0.25, 0.3333333, 0.5])]
    model = [make_label(1, [0.1, 0.1, 0.2, 0.2], source="model", confidence=0.75)]
    upsert_entries(labelset.pk, [EntryRow(points[0].pk, boxes, "human"), EntryRow(points[1].pk, [], "human")])
    upsert_entries(labelset.pk, [EntryRow(points[2].pk, model, "model", confidence=0.8, cycle=2)])
    return labelset


def exported(labelset: Labelset, name: str, **chosen: Any) -> bytes:
    return b"".join(exports.begin(exports.FORMATS[name], labelset, exports.Options(**chosen), by=None).content)


def test_coco_is_read_by_an_evaluator(labelset: Labelset, tmp_path: Any) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(exported(labelset, "coco"))
    found = COCO(str(path))
    assert len(found.getImgIds()) == 3 and len(found.getAnnIds()) == 3


def test_redbrick_comes_back_as_an_items_list(organization: Organization, labelset: Labelset) -> None:
    first = json.loads(exported(labelset, "redbrick"))
    dataset = make_dataset(organization, "Again")
    public = methods.create(organization=organization, by=None, name="Web", provider="PUBLIC")
    again = make_labelset(organization, labelset.taxonomy, name="Again")
    file = io.BytesIO(json.dumps(first).encode())
    row = imports.start_items_list(dataset=dataset, storage=public, file=file, labelset=again, by=None)
    handle = runs.start(row.run.pk)
    imports.perform(handle)
    assert not row.failures.exists()
    dataset.datapoints.update(width=100, height=80)
    second = json.loads(exported(again, "redbrick"))
    ours = {"dpId", "taskId"}
    assert [strip(each, ours) for each in second] == [strip(each, ours) for each in first]


def strip(entry: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}


def test_an_export_is_filtered_like_the_page(labelset: Labelset) -> None:
    assert len(json.loads(exported(labelset, "redbrick", source="model", low=0.5))) == 1
    assert len(json.loads(exported(labelset, "redbrick", category=0))) == 1
    assert json.loads(exported(labelset, "redbrick", high=0.5)) == []


def test_boxes_are_counted_by_class(labelset: Labelset) -> None:
    assert labelset.entries.all().boxes_by_class() == [
        {"class_id": 1, "boxes": 2, "images": 2},
        {"class_id": 0, "boxes": 1, "images": 1},
    ]
