"""Promises of the whole, by the SDK alone: from nothing to an exported file, on a real server and a real worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import winnow

from tests.autolabel.loop import CLASSES, boxes_of
from tests.conftest import WorkerProcess
from tests.sdk.conftest import ServerProcess

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[[str], winnow.Organization]


def truth(task: dict[str, Any]) -> list[dict[str, Any]]:
    number = int(task["name"].removesuffix(".png"))
    return [{"category": class_id, "bbox": list(box)} for class_id, box in boxes_of(number)]


def test_from_nothing_to_an_exported_file(
    server: ServerProcess,
    worker: WorkerProcess,
    connect: Connect,
    pictures: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    acme = connect(server.url)
    assert len(acme.create_dataset("pictures").upload(pictures(36), progress=False).created) == 36
    acme.create_taxonomy("colors", CLASSES)
    labelset = acme.create_labelset("final", "colors")
    project = acme.create_project(
        "Loop", blueprint="AutoLabel", dataset="pictures", taxonomy="colors", labelset="final", progress=False
    )
    learning = project.active_learning
    assert learning.send_batch(20)["size"] == 20
    desk = project.labeling("LABEL")
    while tasks := desk.next_tasks(5):
        for task in tasks:
            desk.submit(task, truth(task), seconds=1.0)
    learning.train(wait=True, progress=False)
    assert learning.summary()["cycle"] == 1
    assert learning.history()[0]["mean_confidence"] is not None
    with pytest.raises(winnow.Conflict, match="Nothing was labeled since the last cycle. With `again`"):
        learning.train()
    learning.model(1, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 10_000
    seen = learning.preview(threshold=0.0)
    assert (seen["labeled"], seen["auto"], len(seen["least_sure"])) == (20, 16, 8)
    accepted = learning.accept(0.0, progress=False)
    assert accepted.result == {"labeled": 0, "auto": 16}
    assert learning.revert(accepted, progress=False).result == {"reverted": 16}
    assert learning.flush(progress=False).result == {"labeled": 20, "auto": 16}
    file = labelset.export("coco", to=tmp_path / "out", images=True, progress=False)
    coco = json.loads(file.read_text())
    assert (len(coco["images"]), len(labelset)) == (36, 36)
    assert [each["name"] for each in coco["categories"]] == CLASSES
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 36
    by_hand = {entry["name"] for entry in labelset if entry["source"] == "human"}
    files = {each["id"]: each["file_name"] for each in coco["images"]}
    drawn = [each for each in coco["annotations"] if files[each["image_id"]] in by_hand]
    assert len(drawn) == sum(len(boxes_of(int(name.removesuffix(".png")))) for name in by_hand)
    assert acme.labelset("final").to_pandas().groupby("source").size().get("human") == len(drawn)
