"""Promises of the Python SDK and its command line against a live server."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import winnow
from PIL import Image
from winnow import cli
from winnow.labelsets import Names, safe_name

from apps.accounts import services
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.labelset_entries import EntryRow, upsert_entries

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(organization: Any, owner: Any) -> str:
    return services.create_api_key(organization=organization, user=owner, name="sdk")[1]


@pytest.fixture
def acme(live_server: Any, secret: str) -> winnow.Organization:
    return winnow.Client(live_server.url, secret).organization("acme")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    for number in range(3):
        content = io.BytesIO()
        Image.new("RGB", (64, 48), (number, 0, 0)).save(content, "JPEG")
        (images / ("sub" if number else "") / f"{number}.jpg").write_bytes(content.getvalue())
    return images


def test_a_folder_is_uploaded_once_and_what_is_broken_is_named(acme: winnow.Organization, folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"not an image")
    dataset = acme.create_dataset("cells")
    first = dataset.upload(folder, progress=False)
    assert sorted(first.created) == ["0.jpg", "sub/1.jpg", "sub/2.jpg"]
    assert [name for name, _ in first.failed] == ["broken.jpg"]
    again = dataset.upload(folder, progress=False)
    assert (len(again.created), len(again.skipped)) == (0, 3)
    assert len(dataset) == 3
    assert [row["width"] for row in dataset] == [64, 64, 64]


def test_a_labelset_is_exported_with_its_images(
    acme: winnow.Organization, organization: Any, folder: Path, tmp_path: Path
) -> None:
    acme.create_dataset("cells").upload(folder, progress=False)
    acme.create_taxonomy("blood", ["RBC", "WBC"])
    labelset = acme.create_labelset("final", "blood")
    box = {"id": "a", "category": 1, "bbox": [0.25, 0.25, 0.5, 0.5], "source": "human"}
    points = organization.datasets.get().datapoints.order_by("pk")
    upsert_entries(labelset.id, [EntryRow(point.pk, [box], "human") for point in points])
    file = labelset.export("coco", to=tmp_path / "out", images=True, progress=False)
    coco = json.loads(file.read_text())
    assert [row["bbox"] for row in coco["annotations"]] == [[16, 12, 32, 24]] * 3
    assert sorted(path.name for path in (tmp_path / "out" / "images").glob("*.jpg")) == [
        "0.jpg",
        "sub_1.jpg",
        "sub_2.jpg",
    ]
    assert [entry["labels"][0]["category"] for entry in labelset] == [[["object", "WBC"]]] * 3


def test_errors_carry_the_servers_words(acme: winnow.Organization, organization: Any) -> None:
    warehouse.create_dataset(organization=organization, name="cells")
    with pytest.raises(winnow.Invalid, match="of this name is there already"):
        acme.create_dataset("cells")
    with pytest.raises(winnow.NotFound, match="no dataset named 'other'"):
        acme.dataset("other")


def test_a_project_is_made_from_a_blueprint(acme: winnow.Organization, organization: Any) -> None:
    taxonomy = taxonomies.create(organization=organization, name="blood", tree=["RBC"])
    warehouse.create_dataset(organization=organization, name="cells")
    warehouse.create_labelset(organization=organization, name="final", taxonomy=taxonomy)
    project = acme.create_project("Count", dataset="cells", taxonomy="blood", labelset="final", wait=False)
    assert [stage["name"] for stage in project.stages()] == [
        "INPUT", "TYPECAST", "ACTIVE_LEARNING", "LABEL", "FEEDBACK", "OUTPUT",
    ]  # fmt: skip
    assert project.active_learning.summary()["missing"] == 10
    with pytest.raises(winnow.Conflict, match="is creating"):
        project.active_learning.send_batch(5)


def test_the_command_line_prints_json_and_tells_failures_by_its_exit_code(
    live_server: Any, secret: str, organization: Any, folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("WINNOW_URL", live_server.url)
    monkeypatch.setenv("WINNOW_API_KEY", secret)
    assert cli.main(["import", str(folder), "--dataset", "cells", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"created": 3, "skipped": 0, "failed": []}
    assert cli.main(["export", "nothing"]) == cli.EXIT_NOT_FOUND
    monkeypatch.setenv("WINNOW_API_KEY", "wrong")
    assert cli.main(["datasets"]) == cli.EXIT_UNAUTHORIZED


def test_names_cannot_leave_their_folder_nor_collide() -> None:
    assert safe_name("../../etc/passwd") == "_.._etc_passwd"
    assert safe_name("CON.jpg") == "_CON.jpg"
    assert len(safe_name("x" * 400 + ".jpg")) == 150
    names = Names()
    assert [names.take("a/b.jpg", "1"), names.take("A_B.jpg", "2")] == ["a_b.jpg", "2_A_B.jpg"]
