"""Labels as they come in: in Winnow's form, or in RedBrick's exchange form, each told by its geometry key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.projects.models import Stage
from apps.taxonomies import labels as label_json
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT

BOX = {"category": 1, "bbox": [0.1, 0.2, 0.3, 0.2]}


def understood(stage: Stage, labels: Sequence[dict[str, Any]], *, source: str = "human") -> list[dict[str, Any]]:
    """The labels in Winnow's form; raises LabelErrors with the position of each that is not in the exchange form."""
    if not any("bbox2d" in label for label in labels) or stage.taxonomy is None:
        return list(labels)
    paths = {(ROOT, *each["path"]): each["id"] for each in taxonomies.palette(stage.taxonomy)}
    found: list[dict[str, Any]] = []
    errors: list[label_json.LabelError] = []
    for position, label in enumerate(labels):
        if "bbox2d" not in label:
            found.append(label)
            continue
        try:
            found.append(_from_exchange(label, paths, source))
        except ValueError as error:
            errors.append(label_json.LabelError(position, str(error)))
    if errors:
        raise label_json.LabelErrors(errors)
    return found


def _from_exchange(label: dict[str, Any], paths: dict[tuple[str, ...], int], source: str) -> dict[str, Any]:
    given = {"source": source, **label}
    return label_json.from_exchange(given, lambda path: paths.get(tuple(path)))
