"""The stage builder: a pipeline's JSON form as fields of a page, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.accounts.models import Organization
from apps.common.texts import whole
from apps.projects.bricks import BRICKS, Brick, Option
from apps.projects.pipelines import normalized
from apps.projects.specs import MOST_STAGES

Item = dict[str, Any]


@dataclass(slots=True)
class Setting:
    """One option of a stage as the page shows it."""

    key: str
    option: Option
    value: Any

    @property
    def kind(self) -> str:
        if isinstance(self.option.default, bool):
            return "checkbox"
        return "select" if self.option.choices else "number"


@dataclass(slots=True)
class Port:
    """An out port and where it leads; a filter's leads to several with a share each."""

    name: str
    target: str = ""
    shares: list[tuple[str, float | str]] = field(default_factory=list)


@dataclass(slots=True)
class StageFields:
    """One stage of the builder; its fields are named by its number."""

    number: int
    name: str
    brick: Brick
    chosen: dict[str, str]
    settings: list[Setting]
    ports: list[Port]
    others: list[str]
    problems: list[str] = field(default_factory=list)


def choices(organization: Organization) -> dict[str, list[tuple[str, str]]]:
    """(value, label) of what the stages may refer to."""
    taxonomies = organization.taxonomies.order_by("name", "-version")
    return {
        "dataset": [(row.name, row.name) for row in organization.datasets.order_by("name")],
        "labelset": [(row.name, row.name) for row in organization.labelsets.order_by("name")],
        "taxonomy": [(f"{row.version}:{row.name}", str(row)) for row in taxonomies],
    }


def fields_of(items: Sequence[Item]) -> list[StageFields]:
    """The builder's fields for a pipeline in its JSON form; stages of an unknown brick are left out."""
    names = [item["stageName"] for item in items]
    found: list[StageFields] = []
    for number, item in enumerate(items):
        name, routing = normalized(item)
        if name not in BRICKS:
            continue
        brick, config = BRICKS[name], item.get("stageConfig") or {}
        others = [other for other in names if other != item["stageName"]]
        settings = [Setting(key, option, config.get(key, option.default)) for key, option in brick.settings.items()]
        ports = [_port(port, routing.get(port), others) for port in brick.outputs]
        chosen = {need: _chosen(config, need) for need in brick.needs}
        found.append(StageFields(number, item["stageName"], brick, chosen, settings, ports, others))
    return found


def _port(name: str, routed: Any, others: Sequence[str]) -> Port:
    if name != "targets":
        return Port(name, str(routed or ""))
    shares = routed if isinstance(routed, dict) else {}
    return Port(name, shares=[(other, shares.get(other, "")) for other in others])


def _chosen(config: Mapping[str, Any], need: str) -> str:
    if need == "taxonomy" and config.get("taxonomy"):
        return f"{config.get('taxonomyVersion', 1)}:{config['taxonomy']}"
    return str(config.get(need) or "")


def read(data: Mapping[str, str]) -> list[Item]:
    """The pipeline in its JSON form from the builder's fields; a new name is taken up by whatever leads there."""
    found = {whole(key.removeprefix("brick-")) for key in data if key.startswith("brick-")}
    numbers = sorted(number for number in found if number is not None)[:MOST_STAGES]
    renamed = {data.get(f"old-{number}", ""): data.get(f"name-{number}", "").strip() for number in numbers}
    return [_item(data, number, renamed) for number in numbers if data.get(f"brick-{number}") in BRICKS]


def _item(data: Mapping[str, str], number: int, renamed: Mapping[str, str]) -> Item:
    brick = BRICKS[data[f"brick-{number}"]]
    config: dict[str, Any] = {}
    for need in brick.needs:
        value = data.get(f"{need}-{number}", "")
        if need == "taxonomy" and ":" in value:
            version, _, config["taxonomy"] = value.partition(":")
            config["taxonomyVersion"] = whole(version) or 1
        elif value:
            config[need] = value
    for key, option in brick.settings.items():
        setting = _value(data.get(f"config-{key}-{number}"), option)
        if setting != option.default:
            config[key] = setting
    routing: dict[str, Any] = {}
    for port in brick.outputs:
        if port == "targets":
            routing[port] = _shares(data, number, renamed)
        elif target := data.get(f"port-{port}-{number}", ""):
            routing[port] = renamed.get(target, target)
    name = data.get(f"name-{number}", "").strip()
    return {"brickName": brick.name, "stageName": name, "stageConfig": config, "routing": routing}


def _shares(data: Mapping[str, str], number: int, renamed: Mapping[str, str]) -> dict[str, Any]:
    shares: dict[str, Any] = {}
    for old, new in renamed.items():
        given = data.get(f"share-{old}-{number}", "").strip()
        if given:
            shares[new] = _number(given)
    return shares


def _value(given: str | None, option: Option) -> Any:
    """What cannot be read stays as it is typed: validation says what is wrong with it."""
    if isinstance(option.default, bool):
        return given is not None
    if given is None:
        return option.default
    if option.choices:
        return given
    value = _number(given.strip())
    return int(value) if isinstance(option.default, int) and isinstance(value, float) and value.is_integer() else value


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def add(items: Sequence[Item], brick: str) -> list[Item]:
    """A stage of the brick at the end, under a name that is free."""
    if brick not in BRICKS:
        return list(items)
    taken = {item["stageName"] for item in items}
    stem = brick.replace("brightics-aia-", "").replace("-", "_").upper()[:16]
    name = next(each for each in (stem, *(f"{stem}_{n}" for n in range(2, 1000))) if each not in taken)
    return [*items, {"brickName": brick, "stageName": name, "stageConfig": {}, "routing": {}}]


def remove(items: Sequence[Item], number: int) -> list[Item]:
    """Without one stage; what led there leads nowhere."""
    if not 0 <= number < len(items):
        return list(items)
    gone = items[number]["stageName"]
    kept = [dict(item) for item in items if item["stageName"] != gone]
    for item in kept:
        item["routing"] = {port: target for port, target in item["routing"].items() if target != gone}
        if isinstance(item["routing"].get("targets"), dict):
            item["routing"]["targets"] = {k: v for k, v in item["routing"]["targets"].items() if k != gone}
    return kept
