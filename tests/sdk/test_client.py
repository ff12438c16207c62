"""Promises of the Python SDK and its command line against a live server."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import winnow
from globox import AnnotationSet
from PIL import Image
from winnow import cli, profiles
from winnow.names import safe_name

from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import LabelsetEntry
from tests.conftest import WorkerProcess
from tests.warehouse.test_changes import settle

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_name_that_is_not_utf8_is_told_and_the_rest_comes_in(
    live_server: Any, secret: str, folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes((folder / "0.jpg").read_bytes())
    dataset = winnow.Client(live_server.url, secret).organization("acme").create_dataset("cells")
    outcome = dataset.upload(folder, progress=False)
    assert sorted(outcome.created) == ["0.jpg", "sub/1.jpg", "sub/2.jpg"]
    assert outcome.failed == [("caf?.jpg", "Its name, or that of its folder, is not UTF-8: rename it.")]
    monkeypatch.setenv("WINNOW_URL", live_server.url)
    monkeypatch.setenv("WINNOW_API_KEY", secret)
    assert cli.main(["import", str(folder), "--dataset", "cells"]) == cli.EXIT_FAILED
    assert "caf?.jpg: Its name" in capsys.readouterr().out


def test_at_least_one_thread_is_needed(acme: winnow.Organization, folder: Path, capsys: Any) -> None:
    with pytest.raises(winnow.WinnowError, match="at least 1, not 0"):
        acme.create_dataset("cells").upload(folder, threads=0, progress=False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["import", str(folder), "--dataset", "cells", "--threads", "0"])
    assert ended.value.code == cli.EXIT_USAGE
    assert "at least 1 is needed, not '0'" in capsys.readouterr().err


def test_a_labelset_is_exported_with_its_images(
    acme: winnow.Organization, organization: Any, folder: Path, tmp_path: Path, worker: WorkerProcess
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (64, 48)).save(folder / "0.jpg", exif=turned)
    acme.create_dataset("cells").upload(folder, progress=False)
    acme.create_taxonomy("blood", ["RBC", "WBC"])
    labelset = acme.create_labelset("final", "blood")
    box = {"id": "a", "category": 1, "bbox": [0.25, 0.25, 0.5, 0.5], "source": "human"}
    points = organization.datasets.get().datapoints.order_by("name")
    upsert_entries(labelset.id, [EntryRow(point.pk, [box], "human") for point in points])
    settle()
    file = labelset.export("coco", to=tmp_path / "out", images=True, progress=False)
    coco = json.loads(file.read_text())
    assert file.name == "final.json" and [row["file_name"] for row in coco["images"]] == [
        "0.jpg",
        "sub/1.jpg",
        "sub/2.jpg",
    ]
    for row in coco["images"]:
        assert Image.open(tmp_path / "out" / "images" / row["file_name"]).size == (row["width"], row["height"])
    assert [row["bbox"] for row in coco["annotations"]] == [[12, 16, 24, 32], *[[16, 12, 32, 24]] * 2]
    assert labelset.export("yolo", to=tmp_path / "yolo", images=True, progress=False) == tmp_path / "yolo"
    labels, images = tmp_path / "yolo" / "labels", tmp_path / "yolo" / "images"
    read = AnnotationSet.from_yolo_v5(labels, image_folder=images, recursive=True)
    assert sorted(box.ltrb for each in read for box in each.boxes) == [(12, 16, 36, 48), *[(16, 12, 48, 36)] * 2]
    upsert_entries(labelset.id, [EntryRow(points[1].pk, [], "human")])
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("*.zip"))
    cursor = coco["info"]["cursor"]
    changed = labelset.export("yolo", to=tmp_path / "yolo", images=True, since=cursor, progress=False)
    assert changed.parent == tmp_path / "yolo" and [path.name for path in changed.rglob("*.jpg")] == ["1.jpg"]
    upsert_entries(labelset.id, [EntryRow(points[1].pk, [box], "human")])
    assert [entry["labels"][0]["category"] for entry in labelset] == [[["object", "WBC"]]] * 3
    assert [round(x, 2) for x in labelset.to_pandas()["x"]] == [0.25] * 3


@pytest.mark.parametrize(("format", "suffixes"), [("yolo", {".jpg", ".txt"}), ("voc", {".jpg", ".xml"})])
def test_a_folder_to_train_from_holds_no_labels_of_an_earlier_export(
    acme: winnow.Organization,
    organization: Any,
    folder: Path,
    tmp_path: Path,
    worker: WorkerProcess,
    format: str,  # noqa: A002
    suffixes: set[str],
) -> None:
    acme.create_dataset("cells").upload(folder, progress=False)
    acme.create_taxonomy("blood", ["RBC"])
    labelset = acme.create_labelset("final", "blood")
    points = list(organization.datasets.get().datapoints.order_by("name"))
    upsert_entries(labelset.id, [EntryRow(point.pk, [], "human") for point in points])
    out = tmp_path / "out"

    def exported(**more: Any) -> set[str]:
        labelset.export(format, to=out, images=True, progress=False, **more)
        return {path.suffix for path in out.rglob("0.*")}

    assert exported() == suffixes
    (out / "mine.txt").touch()
    LabelsetEntry.objects.filter(datapoint=points[0]).delete()
    settle()
    assert exported() == set()
    assert {path.suffix for path in out.rglob("1.*")} == suffixes and (out / "mine.txt").exists()
    upsert_entries(labelset.id, [EntryRow(points[0].pk, [], "human")])
    settle()
    exported(incremental=True)
    assert {path.suffix for path in out.rglob("1.*")} == suffixes, "changes replace nothing"


def test_an_incremental_export_holds_what_changed_and_what_is_gone(
    acme: winnow.Organization, organization: Any, folder: Path, tmp_path: Path, worker: WorkerProcess
) -> None:
    acme.create_dataset("cells").upload(folder, progress=False)
    acme.create_taxonomy("blood", ["RBC", "WBC"])
    labelset = acme.create_labelset("final", "blood")
    points = list(organization.datasets.get().datapoints.order_by("pk"))
    upsert_entries(labelset.id, [EntryRow(point.pk, [], "human") for point in points])

    def exported() -> dict[str, Any]:
        settle()
        file = labelset.export("coco", to=tmp_path / "out", incremental=True, progress=False)
        return dict(json.loads(file.read_text()))

    assert len(exported()["images"]) == 3
    upsert_entries(labelset.id, [EntryRow(points[0].pk, [], "model", confidence=0.5)])
    LabelsetEntry.objects.filter(datapoint=points[1]).delete()
    changes = exported()
    assert [each["file_name"] for each in changes["images"]] == [points[0].name]
    assert [each["file_name"] for each in changes["deleted"]] == [points[1].name]
    assert len(list((tmp_path / "out").glob("final*.json"))) == 2
    upsert_entries(labelset.id, [EntryRow(points[2].pk, [], "human")])
    settle()
    labelset.export("coco", to=tmp_path / "out", progress=False)
    assert exported()["deleted"] == [], "it goes on from the export as a whole"
    (tmp_path / "out" / "winnow-export.json").write_text("{")
    with pytest.raises(winnow.WinnowError, match="delete it"):
        exported()


def test_a_filter_of_an_export_is_the_servers(
    acme: winnow.Organization, organization: Any, folder: Path, tmp_path: Path, worker: WorkerProcess
) -> None:
    acme.create_dataset("cells").upload(folder, progress=False)
    acme.create_taxonomy("blood", ["RBC"])
    labelset = acme.create_labelset("final", "blood")
    points = organization.datasets.get().datapoints.order_by("pk")
    rows = [EntryRow(point.pk, [], "model", confidence=place / 10) for place, point in enumerate(points)]
    upsert_entries(labelset.id, rows)
    file = labelset.export("redbrick", to=tmp_path, low=0.1, progress=False)
    assert [entry["name"] for entry in json.loads(file.read_text())] == [points[1].name, points[2].name]
    with pytest.raises(winnow.Invalid, match="no cursor of an export"):
        labelset.export("coco", to=tmp_path, since="yesterday", progress=False)


def test_errors_carry_the_servers_words(acme: winnow.Organization, organization: Any) -> None:
    warehouse.create_dataset(organization=organization, name="cells")
    with pytest.raises(winnow.Invalid, match="of this name is there already"):
        acme.create_dataset("cells")
    with pytest.raises(winnow.NotFound, match="no dataset named 'other'"):
        acme.dataset("other")


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("http://[::1", "key", "not the address of a server"),
        ("winnow.example", "key", "begin it with https://"),
        ("http://127.0.0.1", "k\u00e4y", "characters that are in no key"),
        ("http://127.0.0.1", "two\nlines", "characters that are in no key"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_is_told_at_once(url: str, key: str, said: str) -> None:
    with pytest.raises(winnow.WinnowError, match=said):
        winnow.Client(url, key)


def test_a_list_is_fetched_once_and_only_as_far_as_it_is_asked(acme: winnow.Organization) -> None:
    acme.create_taxonomy("blood", ["RBC"])
    asked: list[str] = []
    get = acme._transport.get
    acme._transport.get = lambda path, **params: asked.append(path) or get(path, **params)  # type: ignore[assignment]
    assert [each["name"] for each in list(acme.taxonomies())] == ["blood"]
    assert acme.taxonomies() and not acme.storage_methods()
    assert len(asked) == 3
    with pytest.raises(TypeError, match="not known beforehand"):
        len(acme.taxonomies())


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
    assert project.active_learning.running() is None


def test_the_command_line_prints_json_and_tells_failures_by_its_exit_code(
    live_server: Any, secret: str, organization: Any, folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("WINNOW_URL", live_server.url)
    monkeypatch.setenv("WINNOW_API_KEY", secret)
    assert cli.main(["import", str(folder), "--dataset", "cells", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"created": 3, "skipped": 0, "failed": []}
    (folder / "broken.jpg").write_bytes(b"not an image")
    assert cli.main(["import", str(folder), "--dataset", "cells"]) == cli.EXIT_FAILED
    first, second = capsys.readouterr().out.splitlines()
    assert first == "created: 0  skipped: 3  failed: 1" and second.startswith("  broken.jpg: ")
    assert cli.main(["import", str(folder / "none"), "--dataset", "none"]) == cli.EXIT_FAILED
    assert "is not a folder" in capsys.readouterr().err
    assert not organization.datasets.filter(name="none").exists()
    (folder / "empty").mkdir()
    assert cli.main(["import", str(folder / "empty"), "--dataset", "cells"]) == cli.EXIT_FAILED
    assert "no picture" in capsys.readouterr().err
    assert cli.main(["export", "nothing"]) == cli.EXIT_NOT_FOUND
    monkeypatch.setenv("WINNOW_API_KEY", "wrong")
    assert cli.main(["datasets"]) == cli.EXIT_UNAUTHORIZED


@pytest.mark.parametrize("command", sorted(cli.TEACHES))
def test_the_help_of_each_command_teaches(command: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text, taught = cli.TEACHES[command]
    said = capsys.readouterr().out
    assert text in " ".join(said.split()) and taught in said


def test_wrong_usage_is_told_by_the_exit_code(capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flush"])
    assert ended.value.code == cli.EXIT_USAGE
    assert "usage: winnow flush" in capsys.readouterr().err


def test_login_remembers_the_server_in_a_file_of_ones_own(
    live_server: Any, secret: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("WINNOW_PROFILES", str(tmp_path / "profiles.ini"))
    for name in ("WINNOW_URL", "WINNOW_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
    assert cli.main(["login", live_server.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["organization"] == "acme"
    assert (tmp_path / "profiles.ini").stat().st_mode & 0o077 == 0
    assert cli.main(["projects", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert cli.main(["projects", "--profile", "work"]) == cli.EXIT_FAILED
    assert "winnow --profile work login" in capsys.readouterr().err
    assert cli.main(["--organization", "acme", "datasets"]) == 0
    assert cli.main(["datasets", "--organization", "other"]) == cli.EXIT_NOT_FOUND
    monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
    assert cli.main(["login", "winnow.example"]) == cli.EXIT_FAILED
    assert "https://" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.main(["login", live_server.url]) == cli.EXIT_FAILED
    assert "No API key was given" in capsys.readouterr().err
    with pytest.raises(winnow.WinnowError, match="No server or key"):
        winnow.Client("http://another.example")
    (tmp_path / "profiles.ini").write_text("no profiles")
    assert cli.main(["projects"]) == cli.EXIT_FAILED
    assert "mend or delete it" in capsys.readouterr().err


HERE, WORK, ELSEWHERE = "http://here.example", "http://work.example", "http://elsewhere.example"


@pytest.mark.parametrize(
    ("given", "environment", "url", "key"),
    [
        ({}, {}, HERE, "here"),
        ({}, {"WINNOW_URL": ELSEWHERE, "WINNOW_API_KEY": "other"}, ELSEWHERE, "other"),
        ({}, {"WINNOW_API_KEY": "other"}, HERE, "here"),
        ({}, {"WINNOW_URL": WORK}, None, None),
        ({"profile": "work"}, {"WINNOW_URL": ELSEWHERE, "WINNOW_API_KEY": "other"}, WORK, "work"),
        ({"profile": "default"}, {"WINNOW_URL": ELSEWHERE, "WINNOW_API_KEY": "other"}, HERE, "here"),
        ({"profile": "none"}, {"WINNOW_URL": ELSEWHERE, "WINNOW_API_KEY": "other"}, None, None),
        ({"profile": "keyless"}, {"WINNOW_API_KEY": "other"}, None, None),
        ({"profile": "work", "url": WORK}, {"WINNOW_API_KEY": "other"}, WORK, "work"),
        ({"profile": "work", "url": ELSEWHERE}, {}, None, None),
        ({"url": ELSEWHERE}, {"WINNOW_URL": HERE, "WINNOW_API_KEY": "other"}, ELSEWHERE, "other"),
        ({"profile": "work", "api_key": "mine"}, {"WINNOW_API_KEY": "other"}, WORK, "mine"),
    ],
)
def test_a_named_profile_goes_before_the_environment_and_no_key_to_another_server(
    tmp_path: Path,
    monkeypatch: Any,
    given: dict[str, str],
    environment: dict[str, str],
    url: str | None,
    key: str | None,
) -> None:
    monkeypatch.setenv("WINNOW_PROFILES", str(tmp_path / "profiles.ini"))
    for name in ("WINNOW_URL", "WINNOW_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    profiles.write("default", HERE, "here")
    profiles.write("work", WORK, "work")
    profiles.write("keyless", WORK, "")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if url is None:
        with pytest.raises(winnow.WinnowError, match="No server or key"):
            winnow.Client(**given)
        return
    http = winnow.Client(**given).transport.http
    assert (str(http.base_url), http.headers["Authorization"]) == (f"{url}/api/v1/", f"Bearer {key}")


def test_a_profile_of_the_command_line_goes_before_the_environment(
    live_server: Any, secret: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("WINNOW_PROFILES", str(tmp_path / "profiles.ini"))
    monkeypatch.setenv("WINNOW_URL", live_server.url)
    monkeypatch.setenv("WINNOW_API_KEY", "wrong")
    profiles.write("work", live_server.url, secret)
    assert cli.main(["datasets"]) == cli.EXIT_UNAUTHORIZED
    assert cli.main(["--profile", "work", "datasets"]) == 0
    assert cli.main(["datasets", "--profile", "work"]) == 0


def test_an_interrupted_command_says_so_and_leaves_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = subprocess.Popen(
            [sys.executable, "-m", "winnow.cli", "datasets"], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "WINNOW_URL": address, "WINNOW_API_KEY": "key"},
            # A shell starts what runs in the background with Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        connection, _ = silent.accept()
        connection.recv(1)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=60)
        connection.close()
    assert (command.returncode, said.startswith("winnow: interrupted")) == (cli.EXIT_INTERRUPTED, True), said


def test_names_cannot_leave_their_folder() -> None:
    assert safe_name("../../etc/passwd") == "_.._etc_passwd"
    assert safe_name("CON.jpg") == "_CON.jpg"
    assert len(safe_name("x" * 400 + ".jpg")) == 150
    assert len(safe_name("ü" * 400 + ".jpg").encode()) <= 150
    assert safe_name("ends with dots...") == "ends_with_dots"
