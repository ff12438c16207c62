"""COCO files: every doubt reported by name and reason, the rest read; written so that others read it."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.warehouse.formats import Class, Content, FormatError, Item, Label, coco


def make_file(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 20, 20]}],
        "categories": [{"id": 3, "name": "car", "supercategory": "object"}, {"id": 9, "name": "bus"}],
    } | changes


def with_bbox(bbox: object, **more: Any) -> dict[str, Any]:
    return make_file(annotations=[{"id": 1, "image_id": 7, "category_id": 3, "bbox": bbox, **more}])


def labels_of(raw: object, width: int = 100, height: int = 50, classes: tuple[str, ...] = ("car",)) -> Any:
    file = coco.parse(raw)
    class_of = {name: number for number, name in enumerate(classes)}
    labels, problems = coco.to_labels(file.pictures["a.jpg"], width=width, height=height, class_of=class_of)
    return labels, [each.reason for each in [*file.problems, *problems]]


def test_boxes_become_normalized_labels() -> None:
    labels, reasons = labels_of(make_file())
    assert labels == [{"category": 0, "bbox": [0.1, 0.2, 0.2, 0.4], "source": "import"}] and not reasons


def test_categories_become_a_tree_with_ids_from_0() -> None:
    categories = [{"id": 5, "name": "car", "supercategory": "vehicle"}, {"id": 2, "name": "vehicle"}]
    (vehicle,) = coco.parse(make_file(categories=categories)).tree()
    assert (vehicle.name, vehicle.class_id) == ("vehicle", 0)
    assert [(each.name, each.class_id) for each in vehicle.children] == [("car", 1)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (with_bbox([90, 10, 20, 20]), "reaches outside"),
        (with_bbox([500, 500, 20, 20]), "reaches outside"),
        (with_bbox([10, 10, 0, 20]), "no area"),
        (with_bbox([10, 10, -5, 20]), "no area"),
        (with_bbox([10, 10, float("nan"), 20]), "four finite numbers"),
        (with_bbox([10, 10, "x", 20]), "four finite numbers"),
        (with_bbox(None), "four finite numbers"),
        (with_bbox([10, 10, 5, 5], iscrowd=1), "crowd"),
        (make_file(categories=[]), "category 3 is not in the file"),
        (make_file(categories=[{"id": 3, "name": "tram"}]), "class tram: the taxonomy does not have it"),
    ],
)
def test_a_doubtful_box_is_reported_and_left_out(raw: object, reason: str) -> None:
    labels, reasons = labels_of(raw)
    assert labels == [] and len(reasons) == 1 and reason in reasons[0]


def test_a_box_out_by_rounding_is_clipped() -> None:
    labels, reasons = labels_of(with_bbox([-0.5, 0, 100.9, 50]))
    assert labels[0]["bbox"] == [0, 0, 1, 1] and not reasons


@pytest.mark.parametrize(("size", "reason"), [((50, 100), "displayed turned"), ((200, 100), "the file says 100 x 50")])
def test_boxes_of_an_image_of_another_size_are_left_out(size: tuple[int, int], reason: str) -> None:
    labels, reasons = labels_of(make_file(), *size)
    assert labels is None and reason in reasons[0]


def test_every_broken_row_is_named() -> None:
    image = {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}
    file = coco.parse(
        {
            "images": [image, image, {"id": 8, "file_name": "a.jpg"}, {"id": 9}, 4],
            "annotations": [{"id": 5, "image_id": 99, "category_id": 1}, 7],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}, {"id": 3}],
        }
    )
    assert [str(each.name) for each in file.problems] == [
        "a", "category 3", "a.jpg", "a.jpg", "image 4", "image 5", "annotation 5", "annotation 2",
    ]  # fmt: skip
    assert list(file.pictures) == ["a.jpg"]


@pytest.mark.parametrize("text", ["", "[1, 2", "[]", "{}", '{"images": 3}', "[" * 100_000])
def test_what_is_not_coco_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(FormatError, match="labels.json"):
        coco.read(path)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
_rows = st.lists(
    st.dictionaries(
        st.sampled_from(["id", "name", "file_name", "image_id", "category_id", "bbox", "width", "height", "iscrowd"]),
        _json | st.integers(0, 3) | st.lists(st.floats(), min_size=4, max_size=4),
    )
    | _json,
    max_size=4,
)


@given(st.fixed_dictionaries({}, optional={"images": _rows, "annotations": _rows, "categories": _rows}) | _json)
def test_any_json_is_read_or_refused(raw: object) -> None:
    try:
        file = coco.parse(raw)
    except FormatError:
        return
    for picture in file.pictures.values():
        labels, _ = coco.to_labels(picture, width=100, height=50, class_of={"car": 0})
        for label in labels or []:
            x, y, w, h = label["bbox"]
            assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 1 + 1e-9 and y + h <= 1 + 1e-9


def make_item(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "uid": str(uuid.uuid4()), "name": 'a "quoted".jpg', "path": "p", "storage_id": 1, "width": 640, "height": 480,
        "source": "model", "confidence": 0.9, "cycle": 2, "task_uid": None, "author": None, "labels": [],
    }  # fmt: skip
    return Item(**(fields | changes))


def make_box(category: int, bbox: list[float], source: str = "human", **more: Any) -> Label:
    return Label(str(uuid.uuid4()), category, tuple(bbox), source, **more)


def content_of(classes: list[Class], items: list[Item], **more: Any) -> Content:
    """Two batches of them, however often."""

    def batches() -> Iterator[list[Item]]:
        yield items[:1]
        yield items[1:]

    return Content(info={}, classes=classes, bare=batches, labeled=batches, **more)


def test_what_is_written_is_read_back() -> None:
    boxes = [make_box(4, [0.1, 0.2, 0.3, 0.4], "model", confidence=0.625), make_box(4, [0, 0, 1, 1])]
    items = [make_item(labels=boxes), make_item(name="empty.jpg", source="human")]
    classes = [Class(4, "car", "object", ("object", "car"))]
    raw = json.loads(b"".join(coco.write(content_of(classes, items))))
    assert [each["id"] for each in raw["annotations"]] == [1, 2]
    assert raw["annotations"][0]["bbox"] == [64, 96, 192, 192] and raw["annotations"][0]["score"] == 0.625
    assert raw["annotations"][1]["bbox"] == [0, 0, 640, 480] and raw["annotations"][1]["source"] == "human"
    assert raw["images"][0] | {"dp_id": ""} == {
        "id": 1, "file_name": 'a "quoted".jpg', "width": 640, "height": 480, "dp_id": "", "task_id": None,
        "source": "model", "confidence": 0.9, "cycle": 2, "labeled_by": None,
    }  # fmt: skip
    assert raw["deleted"] == raw["left_out"] == []
    file = coco.parse(raw)
    assert not file.problems and [len(each.boxes) for each in file.pictures.values()] == [2, 0]
