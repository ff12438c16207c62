"""A pipeline as a graph: its JSON form, its edges, and the way a task takes through it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.projects.bricks import ALIASES, BRICKS, LEARNING, Brick
from apps.projects.models import Stage

NORMALIZED_KEYS = {"nextStageName": "next", "feedbackStageName": "feedback"}
LEARNING_KEYS = {"passed": "flush", "failed": "label"}
MAX_STEPS = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a pipeline, and at which stage; an empty name speaks of the whole."""

    stage: str
    message: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.message}" if self.stage else self.message


@dataclass(frozen=True, slots=True)
class Edge:
    """From an out port of one stage to the in port of another."""

    source: str
    port: str
    target: str
    target_port: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Draw:
    """One choice by hash: taken by the tasks whose share at the stage lies in [low, high)."""

    stage_id: int
    low: float
    high: float

    def takes(self, datapoint_id: int) -> bool:
        return self.low <= share(self.stage_id, datapoint_id) < self.high


@dataclass(frozen=True, slots=True)
class Route:
    """Where a task comes to rest, the pass-through stages before it, and the draws that lead there."""

    stage: Stage
    port: str
    path: tuple[str, ...]
    draws: tuple[Draw, ...] = ()


def share(stage_id: int, datapoint_id: int) -> float:
    """A number in [0, 1) that depends only on the stage and the task; `share_sql` says the same in SQL."""
    digest = hashlib.md5(f"{stage_id}:{datapoint_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) / 2**32


def share_sql(column: str) -> str:
    """SQL of `share` for one placeholder (the stage) and a column with the datapoint's key."""
    return f"(('x' || substr(md5(%s::bigint || ':' || {column}), 1, 8))::bit(32)::bigint / 4294967296.0)"


def brick_of(stage: Stage) -> Brick:
    return BRICKS[stage.brick]


def targets(stage: Stage) -> list[tuple[str, str, float]]:
    """(out port, target stage, share) of everything the routing names."""
    found: list[tuple[str, str, float]] = []
    for port in BRICKS[stage.brick].outputs if stage.brick in BRICKS else ():
        value = stage.routing.get(port)
        if port == "targets" and isinstance(value, dict):
            found += [(port, name, float(chance)) for name, chance in value.items() if _is_number(chance)]
        elif isinstance(value, str) and value:
            found.append((port, value, 1.0))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def edges(stages: Iterable[Stage]) -> list[Edge]:
    """Every edge whose two ends exist."""
    by_name = {stage.name: stage for stage in stages}
    return [
        Edge(stage.name, port, name, "feedback" if stage.brick == "feedback" else "in", chance)
        for stage in by_name.values()
        for port, name, chance in targets(stage)
        if name in by_name
    ]


def routes(stages: Sequence[Stage], stage: Stage, port: str) -> list[Route]:
    """Every way from an out port to a stage where tasks rest; a task takes the one whose draws all take it."""
    by_name = {each.name: each for each in stages}
    return list(_follow(by_name, stage, port, (), ()))


def _follow(
    by_name: Mapping[str, Stage], stage: Stage, port: str, path: tuple[str, ...], draws: tuple[Draw, ...]
) -> Iterator[Route]:
    if len(path) > MAX_STEPS:
        raise ValueError(f"The way out of {path[0]} never comes to rest.")
    low = 0.0
    ways = [way for way in targets(stage) if way[0] == port]
    for index, (_, name, chance) in enumerate(ways):
        choice = draws
        if port == "targets":
            high = 1.0 if index == len(ways) - 1 else low + chance
            choice, low = (*draws, Draw(stage.pk, low, high)), high
        yield from _enter(by_name, by_name[name], "feedback" if stage.brick == "feedback" else "in", path, choice)


def _enter(
    by_name: Mapping[str, Stage], stage: Stage, port: str, path: tuple[str, ...], draws: tuple[Draw, ...]
) -> Iterator[Route]:
    brick = brick_of(stage)
    if not brick.holds_tasks:
        yield from _follow(by_name, stage, brick.outputs[0], (*path, stage.name), draws)
        return
    sample = float(stage.config.get("sample", 1.0)) if "sample" in brick.settings else 1.0
    if sample >= 1:
        yield Route(stage, port, path, draws)
        return
    if sample > 0:
        yield Route(stage, port, path, (*draws, Draw(stage.pk, 0.0, sample)))
    skipped = (*draws, Draw(stage.pk, sample, 1.0))
    yield from _follow(by_name, stage, "passed", (*path, stage.name), skipped)


def route(stages: Sequence[Stage], stage: Stage, port: str, datapoint_id: int) -> Route:
    """The way one task takes."""
    for way in routes(stages, stage, port):
        if all(draw.takes(datapoint_id) for draw in way.draws):
            return way
    raise ValueError(f"{stage.name} sends nothing out of its port {port}.")


def normalized(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Brick and routing of a stage in the JSON form, in our words: RedBrick's are understood too."""
    named = str(item.get("brickName", ""))
    brick = ALIASES.get(named, named)
    raw = item.get("routing")
    given: dict[str, Any] = raw if isinstance(raw, dict) else {}
    routing = {NORMALIZED_KEYS.get(key, key): value for key, value in given.items()}
    if brick == LEARNING and not routing.keys() & {"label", "flush"}:
        routing = {LEARNING_KEYS.get(key, key): value for key, value in routing.items()}
    return brick, routing


def to_json(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """The JSON form of a pipeline; `apps.projects.specs.from_json` reads it back exactly."""
    return [
        {
            "brickName": stage.brick,
            "stageName": stage.name,
            "stageConfig": _references(stage) | stage.config,
            "routing": stage.routing,
        }
        for stage in stages
    ]


def _references(stage: Stage) -> dict[str, Any]:
    needs = BRICKS[stage.brick].needs if stage.brick in BRICKS else ()
    named: dict[str, Any] = {}
    if "dataset" in needs and stage.dataset:
        named["dataset"] = stage.dataset.name
    if "labelset" in needs and stage.labelset:
        named["labelset"] = stage.labelset.name
    if "taxonomy" in needs and stage.taxonomy:
        named |= {"taxonomy": stage.taxonomy.name, "taxonomyVersion": stage.taxonomy.version}
    return named
