"""A cycle's model to take away: the ONNX file, its classes, and a short script that runs it."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from apps.autolabel import files
from apps.autolabel.models import Cycle
from apps.taxonomies.models import Category

SCRIPT = Path(__file__).parent / "shipped" / "predict.py"
IN_MEMORY = 1 << 20


def bundle(cycle: Cycle) -> IO[bytes]:
    """A ZIP file that is read from its beginning; raises `files.Missing` when the model's file is gone."""
    model = files.path_of(cycle.model_path)
    archive = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  the answer that streams it closes it
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(model, "model.onnx", zipfile.ZIP_STORED)
        packed.writestr("classes.json", json.dumps(classes(cycle, model), indent=2, ensure_ascii=False) + "\n")
        packed.write(SCRIPT, "predict.py")
    archive.seek(0)
    return archive


def classes(cycle: Cycle, model: Path) -> list[dict[str, object]]:
    """Id and name of the class of each row of the model's head, in their order."""
    import onnxruntime  # The web does not load it until somebody takes a model away.

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    rows = json.loads(session.get_modelmeta().custom_metadata_map["class_ids"])
    names = dict(Category.objects.filter(taxonomy=cycle.stage.taxonomy_id).values_list("class_id", "name"))
    return [{"id": class_id, "name": names.get(class_id, str(class_id))} for class_id in rows]
