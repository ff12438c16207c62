"""Labels among the images of an archive or a folder: every layout is read, every bad line told, no trick works."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from apps.common import runs
from apps.warehouse import imports
from apps.warehouse.formats import FormatError, table, voc, yolo
from apps.warehouse.formats.boxfile import to_labels
from apps.warehouse.models import Dataset, Import, Labelset
from tests.warehouse.factory import make_dataset, make_picture
from tests.warehouse.test_imports import counts, make_zip, work
from tests.warehouse.test_label_files import coco, entries, told

BOX = [[0.25, 0.5, 0.25, 0.25]]
LINE = b"0 0.375 0.625 0.25 0.25\n"
DATA = b"names: {0: car, 1: tram}"
XML = (
    b"<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height></size>\n<object><name>car</name>"
    b"<bndbox><xmin>16</xmin><ymin>24</ymin><xmax>32</xmax><ymax>36</ymax></bndbox></object></annotation>"
)
CSV = b"name,class,x,y,width,height\na.jpg,car,16,24,16,12\n"
COCO = json.dumps(coco(("a.jpg", 64, 48), boxes=((0, "car", [16, 24, 16, 12]),))).encode()
EMPTY = b'{"images": []}'
PICTURE = make_picture()


def bring_in(dataset: Dataset, labelset: Labelset, files: dict[str, bytes]) -> Import:
    row = imports.start_zip(dataset=dataset, file=make_zip(**files), labelset=labelset, by=None)
    work(row.run)
    return row


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"data.yaml": DATA, "labels/train/a.txt": LINE, "images/train/a.jpg": PICTURE}, "a.jpg"),
        ({"d/data.yaml": DATA, "d/valid/labels/a.txt": LINE, "d/valid/images/a.jpg": PICTURE}, "a.jpg"),
        ({"classes.txt": b"car\ntram\n", "labels/a.txt": LINE, "images/a.jpg": PICTURE}, "a.jpg"),
        ({"obj.names": b"car", "obj/a.txt": LINE, "train.txt": b"x", "obj/a.jpg": PICTURE}, "obj/a.jpg"),
        ({"VOC/Annotations/a.xml": XML, "VOC/JPEGImages/a.jpg": PICTURE}, "a.jpg"),
        ({"train/a.xml": XML, "train/a.jpg": PICTURE}, "train/a.jpg"),
        ({"annotations/instances_train.json": COCO, "train/a.jpg": PICTURE}, "train/a.jpg"),
        ({"t/_a.coco.json": COCO, "t/a.jpg": PICTURE, "v/_a.coco.json": EMPTY, "v/a.jpg": PICTURE}, "t/a.jpg"),
        ({"boxes.csv": CSV, "images/a.jpg": PICTURE}, "a.jpg"),
    ],
    ids=["ultralytics", "roboflow", "classes.txt", "darknet", "voc", "side by side", "coco", "two cocos", "csv"],
)
def test_the_layouts_of_other_tools_are_understood(
    dataset: Dataset, labelset: Labelset, files: dict[str, bytes], name: str
) -> None:
    row = bring_in(dataset, labelset, files)
    assert told(row) == {} and entries() == {name: BOX}


def test_the_same_name_in_two_splits_keeps_its_split(dataset: Dataset, labelset: Labelset) -> None:
    files = {f"images/{split}/a.jpg": PICTURE for split in ("train", "val")}
    row = bring_in(dataset, labelset, files | {"data.yaml": DATA, "labels/val/a.txt": LINE})
    assert told(row) == {} and entries() == {"val/a.jpg": BOX}


def test_of_a_folder_too(dataset: Dataset, labelset: Labelset, tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_FOLDERS = [str(tmp_path)]
    (tmp_path / "secret").write_bytes(LINE)
    for name, data in {"y/data.yaml": DATA, "y/labels/a.txt": LINE, "y/images/a.jpg": PICTURE}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "y/images/b.jpg").write_bytes(PICTURE)
    (tmp_path / "y/labels/b.txt").symlink_to(tmp_path / "secret")
    row = imports.start_folder(dataset=dataset, root=str(tmp_path), folder="y", labelset=labelset, by=None)
    work(row.run)
    assert told(row) == {} and entries() == {"a.jpg": BOX}  # What a link leads out to is not read.
    assert counts(row) == (2, 0, 0)
    again = imports.start_folder(dataset=dataset, root=str(tmp_path), folder="y", by=None, labelset=None)
    work(again.run)
    assert counts(again) == (2, 0, 0)  # Without a labelset it is a folder of pictures.


def test_every_bad_line_is_told_with_its_file_and_the_rest_is_kept(dataset: Dataset, labelset: Labelset) -> None:
    lines = [
        b"0 0.375 0.625 0.25 0.25 0.9", b"", b"7 .5 .5 .1 .1", b"0 .5 .5 .1", b"car .5 .5 .1 .1", b"0 nan .5 .1 .1",
        b"0 .1 .1 .2 .1 .2 .2 .3 .3", b"0 .9 .5 .4 .1", b"0 .5 .5 0 .1", b"1 .5 .5 .1 .1",
    ]  # fmt: skip
    files = {
        "labels/a.txt": b"\n".join(lines),
        "images/a.jpg": PICTURE,
        "labels/gone.txt": LINE,
        "images/b.jpg": PICTURE,
    }
    row = bring_in(dataset, labelset, files | {"data.yaml": DATA, "labels/b.txt": b"\xff\xfe\0"})
    assert entries() == {"a.jpg": BOX, "b.jpg": []}
    assert labelset.entries.get(box_count=1).labels[0]["confidence"] == 0.9
    reasons = [each.reason for each in row.failures.filter(name="labels/a.txt").order_by("pk")]
    assert [int(reason.split(":")[0].removeprefix("Line ")) for reason in reasons] == [3, 4, 5, 6, 7, 8, 9, 10]
    for part in ("no class 7", "outline", "reaches outside", "no area", "class tram", "finite numbers"):
        assert sum(part in reason for reason in reasons) == 1, part
    assert "No image of this name" in told(row)["labels/gone.txt"]


def test_bad_objects_and_files_of_voc_are_told(dataset: Dataset, labelset: Labelset) -> None:
    objects = b"<object><name>tram</name></object>\n<object></object>\n<object><name>car</name><bndbox/></object>"
    files = {
        "Annotations/a.xml": XML.replace(b"</annotation>", b"\n" + objects + b"</annotation>"),
        "Annotations/b.xml": XML[:-9],
        "Annotations/c.xml": b"<html/>",
        "Annotations/d.xml": XML.replace(b"64", b"65"),
        "Annotations/e.xml": b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XML,
        "Annotations/f.xml": '<?xml version="1.0" encoding="utf-16"?><annotation/>'.encode("utf-16"),
    }
    row = bring_in(dataset, labelset, files | {f"JPEGImages/{letter}.jpg": PICTURE for letter in "abcdef"})
    assert entries() == {"a.jpg": BOX}
    reasons = {name: reason for name, reason in told(row).items() if name != "Annotations/a.xml"}
    parts = {"b": "line 2", "c": "begins with html", "d": "65 x 48", "e": "document type", "f": "not UTF-8"}
    assert {name: parts[name[12]] in reason for name, reason in reasons.items()} == dict.fromkeys(reasons, True)
    lines = [reason[:7] for reason in row.failures.filter(name="Annotations/a.xml").values_list("reason", flat=True)]
    assert len(reasons) == 5 and lines == ["Line 3:", "Line 4:", "Line 5:"]


def test_bad_rows_of_a_table_are_told(dataset: Dataset, labelset: Labelset) -> None:
    head = b"name,class,x,y,width,height,attributes,note\n"
    rows = [
        b"a.jpg,car,16,24,16,12,,", b",car,1,1,1,1,,", b"a.jpg,car,1,x,1,1,,", b"a.jpg,tram,1,1,1,1,,",
        b"a.jpg,car,1,1,1,1,{,", b"b.jpg,,,,,,,deleted", b'b.jpg,"",,,,,,left out: No size.', b"a.jpg",
        b"gone.jpg,,,,,,,",
    ]  # fmt: skip
    row = bring_in(dataset, labelset, {"a.csv": head + b"\n".join(rows), "a.jpg": PICTURE, "b.jpg": PICTURE})
    assert entries() == {"a.jpg": BOX}
    reasons = " ".join(row.failures.values_list("reason", flat=True))
    for part in ("Line 3: it needs a name", "Line 4: x, y", "Line 6: its attributes", "Line 7: The file says",
                 "Line 8: it was left out", "Line 5: a box of class tram"):  # fmt: skip
        assert part in reasons, part
    assert row.failures.count() == 7


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"notes.md": b"x"}, "no labels in it"),
        ({"labels/a.txt": LINE}, "names of the classes"),
        ({f"{n}.json": b"{}" for n in range(21)}, "21 files of labels"),
    ],
)
def test_an_archive_without_labels_is_refused_at_once(
    dataset: Dataset, labelset: Labelset, files: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        bring_in(dataset, labelset, files | {"images/a.jpg": PICTURE})
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    "files",
    [
        {"labels.json": b"{"},
        {"labels.json": b"[" + b"0," * 2**20 + b"0]"},
        {"labels.csv": b"a,b\n"},
        {"data.yaml": b"names: 3", "labels/a.txt": LINE},
        {"data.yaml": b"a: &a [1]\nnames: {x: *a}", "labels/a.txt": LINE},
        {"data.yaml": b"[" * 9000, "labels/a.txt": LINE},
        {"a.json": b"[]", "b.json": b"3"},
    ],
)
def test_labels_that_are_broken_as_a_whole_bring_nothing_in(
    dataset: Dataset, labelset: Labelset, files: dict[str, bytes]
) -> None:
    archive = make_zip(**files, **{"images/a.jpg": PICTURE})
    row = imports.start_zip(dataset=dataset, file=archive, labelset=labelset, by=None)
    with pytest.raises(runs.Failure):
        imports.perform(runs.start(row.run.pk))
    assert not dataset.datapoints.exists()


def test_names_that_an_archive_claims_are_not_trusted(dataset: Dataset, labelset: Labelset) -> None:
    names = [{"file": "a.jpg", "name": "x\n"}, {"file": "b.jpg", "name": "../b.jpg"}, {"file": 3, "name": "c"}]
    files = {"winnow.json": json.dumps({"renamed": names}).encode(), "labels.json": COCO}
    bring_in(dataset, labelset, files | {"images/a.jpg": PICTURE, "images/b.jpg": make_picture(9, 9)})
    assert set(dataset.datapoints.values_list("name", flat=True)) == {"a.jpg", "../b.jpg"}
    assert entries() == {"a.jpg": BOX}


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_texts_that_no_database_holds_stop_nothing(dataset: Dataset, labelset: Labelset, bad: str) -> None:
    raw = coco(
        ("a.jpg", 64, 48), (f"b{bad}.jpg", 64, 48), boxes=((0, "car", [16, 24, 16, 12]), (0, "tram", [1, 1, 1, 1]))
    )
    raw["categories"][1]["name"] = bad + "tram"
    raw["images"][0]["labeled_by"] = bad
    raw["annotations"][0]["attributes"] = {bad: "x", "y": bad, "z": "kept"}
    items = [{"name": "a.jpg", "labels": [{"attributes": [{"name": "y", "value": bad}]}], "source": bad}, {"name": bad}]
    for labels in (raw, items):
        files = {"labels.json": json.dumps(labels).encode(), "images/a.jpg": PICTURE}
        row = bring_in(make_dataset(dataset.organization, f"D{len(labels)}"), labelset, files)
        assert row.failures.filter(name="b\ufffd.jpg").exists() == (labels is raw) and row.failures.exists()
    assert entries() == {"a.jpg": BOX} and labelset.entries.get().labels[0]["attributes"] == {"z": "kept"}


@given(st.binary(max_size=200) | st.text("0123456789. -ne+\n\tcar,\"'<>/", max_size=80).map(str.encode))
@example(XML)
@example(CSV)
@example(b"\xef\xbb\xbf" + LINE)
@example(b"0" * 5000 + b" 1 1 1 1")
@example(b"<a>" * 50_000)
def test_whatever_bytes_come_give_boxes_or_reasons(data: bytes) -> None:
    found, problems = yolo.read(data, "a.txt", {0: "car"})
    pictures = [found]
    for read in (voc.read, table.read):
        try:
            made: Any = read(data, "a")
        except FormatError as error:
            assert str(error)
            continue
        pictures += made.pictures.values() if read is table.read else [made[0]]
    for picture in pictures:
        labels, doubts = to_labels(picture, width=64, height=48, class_of={"car": 0})
        assert all(each.reason for each in [*problems, *doubts])
        for x, y, w, h in (label["bbox"] for label in labels or []):
            assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 1 + 1e-9 and y + h <= 1 + 1e-9


def test_a_table_that_is_not_one_is_refused_beside_images(dataset: Dataset, labelset: Labelset) -> None:
    for data in (b"hello", b"a,b\n1,2\n"):
        with pytest.raises(ValidationError, match="none that Winnow reads"):
            imports.start_zip(
                dataset=dataset,
                file=make_zip(**{"a.jpg": PICTURE}),
                labels=io.BytesIO(data),
                labelset=labelset,
                by=None,
            )
