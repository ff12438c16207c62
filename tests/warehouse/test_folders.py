"""A folder comes in as a whole: what is bad in it is named, the rest is there."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Organization
from apps.warehouse.folders import Labels, import_folder
from apps.warehouse.formats import coco
from apps.warehouse.models import Dataset, LabelsetEntry
from tests.warehouse.factory import make_dataset, make_labelset, make_picture, make_taxonomy
from tests.warehouse.test_pictures import png_bomb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good pictures, one of them turned, five bad ones, and a COCO file about them."""
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    (images / "a.jpg").write_bytes(make_picture(100, 50))
    (images / "sub" / "b.png").write_bytes(make_picture(100, 50, "PNG"))
    (images / "turned.jpg").write_bytes(make_picture(100, 50, orientation=6))
    (images / "empty.jpg").write_bytes(b"")
    (images / "text.jpg").write_bytes(b"I am a text")
    (images / "cut.jpg").write_bytes(make_picture(300, 200)[:800])
    (images / "bomb.png").write_bytes(png_bomb(50_000, 50_000))
    (images / "notes.txt").write_text("not a picture, not ours to report")
    listed = ["a.jpg", "sub/b.png", "turned.jpg", "gone.jpg"]
    rows = [{"id": n, "file_name": name, "width": 100, "height": 50} for n, name in enumerate(listed)]
    boxes = [(0, 1, [10, 10, 20, 20]), (0, 1, [90, 10, 40, 20]), (0, 2, [0, 0, 5, 5]), (2, 1, [0, 0, 5, 5])]
    annotations = [{"id": n, "image_id": i, "category_id": c, "bbox": b} for n, (i, c, b) in enumerate(boxes)]
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "tram"}]
    content = {"images": rows, "annotations": annotations, "categories": categories}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    return images


def test_every_bad_file_is_named_and_the_rest_is_in(organization: Organization, folder: Path) -> None:
    dataset = make_dataset(organization)
    report = import_folder(dataset=dataset, folder=folder)
    assert set(dataset.datapoints.values_list("name", flat=True)) == {"a.jpg", "sub/b.png", "turned.jpg"}
    assert {each.name for each in report.problems} == {"empty.jpg", "text.jpg", "cut.jpg", "bomb.png"}
    report.import_row.refresh_from_db()
    assert (report.import_row.created, report.import_row.failed) == (3, 4)
    assert report.import_row.failures.get(name="bomb.png").reason.endswith("megapixels.")


def test_labels_come_in_and_doubtful_ones_are_named(organization: Organization, folder: Path) -> None:
    dataset, labelset = make_dataset(organization), make_labelset(organization, make_taxonomy(organization, "car"))
    labels = Labels(coco.read(folder.parent / "coco.json"), labelset)
    report = import_folder(dataset=dataset, folder=folder, labels=labels)
    entries = {entry.datapoint.name: entry for entry in LabelsetEntry.objects.select_related("datapoint")}
    assert set(entries) == {"a.jpg", "sub/b.png"}
    assert [label["bbox"] for label in entries["a.jpg"].labels] == [[0.1, 0.2, 0.2, 0.4]]
    assert entries["sub/b.png"].labels == [] and entries["sub/b.png"].source == "import"
    told = {(each.name, ":".join(each.reason.split(":")[:2])) for each in report.problems}
    assert {("a.jpg", "Annotation 2: a box of class tram"), ("a.jpg", "Annotation 1: a box of class car")} <= told
    assert any(name == "turned.jpg" and "displayed turned" in reason for name, reason in told)
    assert ("gone.jpg", "The folder has no such image.") in told
    assert (report.labeled, report.boxes) == (2, 1)


def test_only_the_named_images_enter(organization: Organization, folder: Path) -> None:
    dataset = make_dataset(organization)
    report = import_folder(dataset=dataset, folder=folder, only=["a.jpg", "../coco.json", "gone.jpg"])
    assert list(dataset.datapoints.values_list("name", flat=True)) == ["a.jpg"]
    reasons = {each.name: each.reason for each in report.problems}
    assert "out of the folder" in reasons["../coco.json"] and "No such file" in reasons["gone.jpg"]


def test_the_second_time_every_name_is_taken(organization: Organization, folder: Path) -> None:
    dataset = make_dataset(organization)
    import_folder(dataset=dataset, folder=folder)
    again = import_folder(dataset=dataset, folder=folder)
    assert again.created == 0 and dataset.datapoints.count() == 3
    assert sum("already" in each.reason for each in again.problems) == 3


def test_the_command_makes_dataset_taxonomy_and_labelset(organization: Organization, folder: Path, capsys) -> None:
    arguments = ["--dataset", "Roads", "--organization", "acme", "--coco", str(folder.parent / "coco.json")]
    call_command("import_folder", str(folder), *arguments)
    output = capsys.readouterr()
    assert "3 datapoints, 2 labeled with 2 boxes" in output.out
    assert "bomb.png: " in output.err
    assert Dataset.objects.get().name == "Roads"
    labelset = organization.labelsets.get()
    assert [each.name for each in labelset.taxonomy.categories.all()] == ["car", "tram"]


def test_the_command_says_what_is_wrong(organization: Organization, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no organization nobody"):
        call_command("import_folder", str(tmp_path), "--dataset", "x", "--organization", "nobody")
    with pytest.raises(CommandError, match="is not a folder"):
        call_command("import_folder", str(tmp_path / "gone"), "--dataset", "x", "--organization", "acme")
    (tmp_path / "coco.json").write_text("no")
    with pytest.raises(CommandError, match="is not JSON"):
        coco_file = str(tmp_path / "coco.json")
        call_command("import_folder", str(tmp_path), "--dataset", "x", "--organization", "acme", "--coco", coco_file)
