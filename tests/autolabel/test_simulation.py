"""Promises of `manage.py simulate`: the loop from images to labelset, in a database that is gone after it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from apps.autolabel.simulation import COLUMNS
from config.processes import wait_until
from tests.autolabel.loop import CLASSES, boxes_of
from tests.conftest import ROOT, process_environment
from tests.detector.pictures import draw, encode

SIZE = (160, 120)


def coco_of(folder: Path, name: str, numbers: range) -> Path:
    """Pictures under the folder and the COCO file of their boxes."""
    images, annotations = [], []
    for number in numbers:
        (folder / f"{number:04}.png").write_bytes(encode(draw(boxes_of(number), SIZE)))
        images.append({"id": number, "file_name": f"{number:04}.png", "width": SIZE[0], "height": SIZE[1]})
        for category, box in boxes_of(number):
            pixels = [part * side for part, side in zip(box, SIZE * 2, strict=True)]
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": category + 7, "bbox": pixels}
            annotations.append(row | {"area": pixels[2] * pixels[3], "iscrowd": 0})
    categories = [{"id": number + 7, "name": color} for number, color in enumerate(CLASSES)]
    path = folder / name
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def begin(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "simulate", "--images", folder, *arguments]
    environment = process_environment(WINNOW_VAR=str(folder / "var"), DJANGO_SETTINGS_MODULE="config.settings")
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def simulate(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    with begin(folder, *arguments) as process:
        stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def inhabitants(folder: Path) -> list[str]:
    """Processes that were told to keep everything in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("WINNOW_VAR", "").startswith(str(folder)):
                found.append(" ".join(process.cmdline()))
    return found


def databases() -> set[str]:
    """Those of simulations."""
    with psycopg.connect(process_environment()["DATABASE_URL"]) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'simulate-%'").fetchall()
        return {row[0] for row in names}


def is_gone(before: set[str]) -> bool:
    """Whether its database is: one of a simulation that another test runs meanwhile goes by itself."""
    return wait_until(lambda: databases() <= before, 240)


@pytest.mark.django_db(transaction=True)
def test_the_whole_loop_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    train, test = coco_of(tmp_path, "train.json", range(40)), coco_of(tmp_path, "test.json", range(40, 52))
    out, before = tmp_path / "rows.json", databases()
    options = ["--fractions", "0.5,0.7", "--preset", "tiny", "--seed", 3, "--json", out]
    done = simulate(tmp_path, "--coco", train, "--test", test, *options)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    assert [list(row) for row in rows] == [list(COLUMNS)] * 2
    first, second = rows
    assert (first["labeled"], second["labeled"]) == (20, 28)
    assert first["batch_agreement"] is None and second["batch_agreement"] is not None
    assert first["held_out"] == 4 and second["held_out"] == 7
    assert first["added"] == first["boxes"] and first["deleted"] == first["moved"] == first["reclassed"] == 0
    for row in rows:
        assert 0 <= row["ap"] <= row["ap50"] <= 1 and 0 <= row["mean_confidence"] <= 1
        assert 0 <= row["queue_edits_50"] <= row["queue_edits_70"]
        assert 0 <= row["queue_agreement"] <= 1 and row["train_seconds"] > 0 and row["predict_seconds"] > 0
    assert "28 images labeled by the oracle and 12 by the model" in done.stdout
    assert is_gone(before)
    assert not list((tmp_path / "var").iterdir())


@pytest.mark.django_db(transaction=True)
def test_ended_from_outside_it_leaves_nothing_behind_either(tmp_path: Path) -> None:
    train, before = coco_of(tmp_path, "train.json", range(20)), databases()
    process = begin(tmp_path, "--coco", train, "--fractions", "1.0", "--preset", "tiny")
    with process:
        assert wait_until(lambda: any("rqworker" in each for each in inhabitants(tmp_path)), 600)
        process.terminate()
        process.communicate(timeout=240)
    assert process.returncode == 128 + signal.SIGTERM
    assert is_gone(before) and not inhabitants(tmp_path)
    assert not list((tmp_path / "var").iterdir())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coco", "nowhere.json"], "cannot be read"),
        (["--coco", "train.json", "--test", "train.json"], "both in --coco and in --test"),
        (["--coco", "train.json", "--fractions", "0.5,0.2"], "must grow"),
        (["--coco", "train.json", "--batch", "0"], "at least 1"),
        (["--coco", "train.json", "--tolerance", "2"], "at most 1"),
        (["--coco", "train.json", "--anchor", "2"], "at most 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    coco_of(tmp_path, "train.json", range(2))
    named = [tmp_path / part if part.endswith(".json") else part for part in arguments]
    done = simulate(tmp_path, *named)
    assert done.returncode != 0 and message in done.stderr
    assert not (tmp_path / "var").exists()
