"""The drawing of a pipeline: where its stages stand and how its edges run; templates turn it into SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.projects.bricks import BRICKS
from apps.projects.models import Stage
from apps.projects.pipelines import Edge, Problem, edges
from apps.projects.validation import carried

WIDTH, HEIGHT = 154, 60
GAP_X, GAP_Y = 72, 36
LANE = 20
MARGIN = 14
SHORT = 1150


@dataclass(slots=True)
class Node:
    """A stage as drawn; x and y are its top left corner."""

    stage: Stage
    label: str
    layer: int = 0
    row: int = 0
    x: float = 0
    y: float = 0
    count: int | None = None
    problems: list[str] = field(default_factory=list)
    ports: list[tuple[float, float]] = field(default_factory=list)
    entries: list[tuple[float, float]] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.x + WIDTH / 2


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as drawn: its path, what it carries, which port it leaves, where the texts stand."""

    path: str
    type: str
    port: str
    x: float
    y: float
    is_feedback: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: list[Node]
    lines: list[Line]
    width: float
    height: float
    size: tuple[int, int] = (WIDTH, HEIGHT)

    @property
    def is_short(self) -> bool:
        """Whether it may be drawn as wide as the page is and can still be read."""
        return self.width <= SHORT


def draw(
    stages: Sequence[Stage], *, problems: Sequence[Problem] = (), counts: Mapping[str, int] | None = None
) -> Drawing:
    """Layers from left to right; feedback runs back above the first row, or below the last."""
    known = [stage for stage in stages if stage.brick in BRICKS]
    graph = edges(known)
    nodes = {stage.name: Node(stage, BRICKS[stage.brick].label) for stage in known}
    _place(nodes, graph)
    backs = [edge for edge in graph if nodes[edge.source].stage.brick == "feedback"]
    above = [edge for edge in backs if nodes[edge.source].row == 0]
    top = MARGIN + LANE * len(above)
    for node in nodes.values():
        node.x = MARGIN + node.layer * (WIDTH + GAP_X)
        node.y = top + node.row * (HEIGHT + GAP_Y)
        node.problems = [problem.message for problem in problems if problem.stage == node.stage.name]
        if counts is not None and BRICKS[node.stage.brick].holds_tasks:
            node.count = counts.get(node.stage.name, 0)
    bottom = max((node.y + HEIGHT for node in nodes.values()), default=top)
    lines = _lines(nodes, graph, {edge: index for index, edge in enumerate(above)}, top, bottom)
    below = len(backs) - len(above)
    right = max((node.x + WIDTH for node in nodes.values()), default=WIDTH)
    return Drawing(list(nodes.values()), lines, right + MARGIN, bottom + MARGIN + LANE * below)


def _place(nodes: Mapping[str, Node], graph: Sequence[Edge]) -> None:
    """Layer: the longest way from an input. Row: the row of what comes before, or the next free one."""
    forward = [edge for edge in graph if nodes[edge.source].stage.brick != "feedback"]
    for _ in nodes:
        for edge in forward:
            source, target = nodes[edge.source], nodes[edge.target]
            if target.layer <= source.layer < len(nodes) - 1:
                target.layer = source.layer + 1
    before: dict[str, tuple[int, int]] = {}
    for layer in range(1 + max((node.layer for node in nodes.values()), default=0)):
        here = [node for node in nodes.values() if node.layer == layer]
        free = 0
        for node in sorted(here, key=lambda each: before.get(each.stage.name, (0, 0))):
            node.row = max(before.get(node.stage.name, (0, 0))[0], free)
            free = node.row + 1
            for index, edge in enumerate(edge for edge in forward if edge.source == node.stage.name):
                before.setdefault(edge.target, (node.row, index))


def _lines(
    nodes: Mapping[str, Node], graph: Sequence[Edge], lanes: Mapping[Edge, int], top: float, bottom: float
) -> list[Line]:
    leaves = carried([node.stage for node in nodes.values()], graph)
    lines: list[Line] = []
    below = 0
    for edge in graph:
        source, target = nodes[edge.source], nodes[edge.target]
        what = leaves[edge.source]
        kind = what.type if what else ""
        if source.stage.brick != "feedback":
            lines.append(_forward(source, target, edge, graph, kind))
        elif edge in lanes:
            lines.append(_back(source, target, kind, source.y, top - LANE * (lanes[edge] + 0.6)))
        else:
            below += 1
            lines.append(_back(source, target, kind, source.y + HEIGHT, bottom + LANE * (below - 0.4)))
    return lines


def _forward(source: Node, target: Node, edge: Edge, graph: Sequence[Edge], kind: str) -> Line:
    siblings = [each for each in graph if each.source == edge.source]
    start = source.y + HEIGHT * (siblings.index(edge) + 1) / (len(siblings) + 1)
    entering = [each for each in graph if each.target == edge.target and each.target_port == "in"]
    end = target.y + HEIGHT * (entering.index(edge) + 1) / (len(entering) + 1)
    left, right = source.x + WIDTH, target.x
    source.ports.append((left, start))
    target.entries.append((right, end))
    bend = max((right - left) / 2, 24)
    path = f"M{left:g},{start:g} C{left + bend:g},{start:g} {right - bend:g},{end:g} {right:g},{end:g}"
    port = "" if len(siblings) == 1 else edge.port
    if edge.port == "targets":
        port = f"{edge.share:.0%}"
    return Line(path, kind, port, (left + right) / 2, (start + end) / 2, False)


def _back(source: Node, target: Node, kind: str, y: float, lane: float) -> Line:
    end = target.y if lane < y else target.y + HEIGHT
    turn = 8 if lane < y else -8
    a, b = source.middle, target.middle
    side = 8 if a > b else -8
    source.ports.append((a, y))
    target.entries.append((b, end))
    path = (
        f"M{a:g},{y:g} V{lane + turn:g} Q{a:g},{lane:g} {a - side:g},{lane:g} H{b + side:g}"
        f" Q{b:g},{lane:g} {b:g},{lane + turn:g} V{end:g}"
    )
    return Line(path, kind, "", (a + b) / 2, lane, True)
