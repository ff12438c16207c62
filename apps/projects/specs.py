"""The JSON form of a pipeline, read: names become the organization's datasets, labelsets and taxonomies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.accounts.models import Organization
from apps.projects.bricks import BRICKS
from apps.projects.models import Stage
from apps.projects.pipelines import Problem, normalized
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Dataset, Labelset

REFERENCES = ("dataset", "labelset", "taxonomy", "taxonomyVersion")
KEYS = {"brickName", "stageName", "stageConfig", "routing"}
MOST_STAGES = 100


def from_json(organization: Organization, raw: object) -> tuple[list[Stage], list[Problem]]:
    """Unsaved stages of a list of {"brickName", "stageName", "stageConfig", "routing"}, and what could not be read."""
    if not isinstance(raw, list):
        return [], [Problem("", "A pipeline is a list of stages.")]
    if len(raw) > MOST_STAGES:
        return [], [Problem("", f"{len(raw)} stages, more than the {MOST_STAGES} a pipeline may have.")]
    stages: list[Stage] = []
    problems: list[Problem] = []
    for position, item in enumerate(raw):
        if not isinstance(item, dict) or not isinstance(item.get("stageName"), str):
            problems.append(Problem("", f"Stage {position + 1} must be an object with a stageName."))
            continue
        stage, found = _stage(organization, item, position)
        stages.append(stage)
        problems += found
    return stages, problems


def _stage(organization: Organization, item: Mapping[str, Any], position: int) -> tuple[Stage, list[Problem]]:
    name = item["stageName"]
    brick, routing = normalized(item)
    problems = [Problem(name, f"Unknown key {key!r}.") for key in item if key not in KEYS]
    given: Any = item.get("stageConfig") or {}
    if not isinstance(given, dict):
        problems.append(Problem(name, "stageConfig must be an object."))
        given = {}
    if not isinstance(item.get("routing") or {}, dict):
        problems.append(Problem(name, "routing must be an object."))
    stage = Stage(name=name, brick=brick, routing=routing, position=position)
    stage.config = {key: value for key, value in given.items() if key not in REFERENCES}
    needs = BRICKS[brick].needs if brick in BRICKS else ()
    for need in REFERENCES[:3]:
        if need in given and need not in needs:
            problems.append(Problem(name, f"This stage takes no {need}."))
    problems += [problem for need in needs if need in given for problem in _refer(organization, stage, need, given)]
    return stage, problems


def _refer(organization: Organization, stage: Stage, need: str, given: Mapping[str, Any]) -> list[Problem]:
    named = given[need]
    if named in (None, ""):
        return []
    found: Dataset | Labelset | Taxonomy | None
    if need == "dataset":
        found = stage.dataset = Dataset.objects.filter(organization=organization, name=str(named)).first()
    elif need == "labelset":
        labelsets = Labelset.objects.select_related("taxonomy").filter(organization=organization, name=str(named))
        found = stage.labelset = labelsets.first()
    else:
        versions = Taxonomy.objects.filter(organization=organization, name=str(named)).order_by("-version")
        if isinstance(version := given.get("taxonomyVersion"), int):
            versions = versions.filter(version=version)
        found = stage.taxonomy = versions.first()
    return [] if found else [Problem(stage.name, f"There is no {need} named {named!r}.")]
