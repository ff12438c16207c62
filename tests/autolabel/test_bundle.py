"""The promise of the model's download: unpacked anywhere, its script finds what Winnow finds."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from apps.autolabel import bundle, files
from apps.autolabel.models import Cycle
from apps.detector.predict import Detector
from tests.autolabel.loop import Loop, boxes_of
from tests.detector.pictures import draw, encode

SIZE = (200, 150)


def test_the_script_in_the_bundle_finds_the_boxes_that_winnow_finds(trained: Loop, tmp_path: Path) -> None:
    cycle = Cycle.objects.select_related("stage").get()
    with bundle.bundle(cycle) as archive:
        zipfile.ZipFile(io.BytesIO(archive.read())).extractall(tmp_path)
    assert json.loads((tmp_path / "classes.json").read_text()) == [{"id": 0, "name": "red"}, {"id": 1, "name": "blue"}]
    number = next(number for number in range(100, 200) if len(boxes_of(number)) == 3)
    picture = tmp_path / "picture.png"
    picture.write_bytes(encode(draw(boxes_of(number), SIZE)))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "predict.py"), str(picture)],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(_expected(cycle, picture))


def _expected(cycle: Cycle, picture: Path) -> list[str]:
    [raw] = Detector(files.path_of(cycle.model_path)).predict([(1, picture)])
    found = raw.kept & (raw.scores >= 0.3)
    assert found.sum() >= 3, "The model of the tests finds what is drawn."
    return [
        f"{picture} {['red', 'blue'][class_id]} {score:.2f} "
        + " ".join(f"{part * side:.0f}" for part, side in zip(box, SIZE * 2, strict=True))
        for box, class_id, score in zip(raw.boxes[found], raw.classes[found], raw.scores[found], strict=True)
    ]
