"""What is wrong with a pipeline: every error at once, each at its stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from apps.projects.bricks import BOXES, BRICKS, LEARNING
from apps.projects.models import STAGE_NAME, Stage
from apps.projects.pipelines import Edge, Problem, brick_of, edges, targets
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Labelset

SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Carried:
    """What an edge carries; None where it cannot be told."""

    type: str
    taxonomy: Taxonomy | None

    def __str__(self) -> str:
        return f"{self.type} of {self.taxonomy}" if self.taxonomy else self.type


def validate(stages: Sequence[Stage], *, project_id: int | None = None) -> list[Problem]:
    """Every error of the pipeline; `project_id` is the project that it is or will be of."""
    if not stages:
        return [Problem("", "A pipeline needs stages.")]
    known = [stage for stage in stages if stage.brick in BRICKS]
    graph = edges(known)
    return [
        *_names(stages),
        *(problem for stage in known for problem in _stage(stage, graph, project_id)),
        *_labelsets(known),
        *(problem for stage in known for problem in _routing(stage, {each.name: each for each in known})),
        *_shape(known, graph),
        *_types(known, graph),
    ]


def _names(stages: Sequence[Stage]) -> Iterator[Problem]:
    for stage in stages:
        try:
            STAGE_NAME(stage.name)
        except ValidationError:
            yield Problem(stage.name, "The name must have 4 to 20 letters, digits or underscores.")
        if stage.brick not in BRICKS:
            yield Problem(stage.name, f"There is no brick {stage.brick!r}.")
    for name, times in Counter(stage.name for stage in stages).items():
        if times > 1:
            yield Problem(name, f"{times} stages have this name.")


def _stage(stage: Stage, graph: Sequence[Edge], project_id: int | None) -> Iterator[Problem]:
    brick = brick_of(stage)
    for need in brick.needs:
        if getattr(stage, need) is None:
            yield Problem(stage.name, f"Please select a {need} for the stage {stage.name!r} of type {stage.brick}.")
    for key, value in stage.config.items():
        option = brick.settings.get(key)
        if option is None:
            yield Problem(stage.name, f"{brick.label} has no setting {key!r}.")
        elif reason := option.problem(value):
            yield Problem(stage.name, f"{option.label} {reason}.")
    entering = {edge.target_port for edge in graph if edge.target == stage.name}
    if not brick.inputs and entering:
        yield Problem(stage.name, "An input has nothing before it.")
    for port in brick.inputs:
        if port not in entering and (port == "in" or stage.brick == LEARNING):
            yield Problem(stage.name, "Nothing leads here." if port == "in" else f"Nothing leads to its port {port}.")
    if stage.brick == "labelset-output" and stage.labelset is not None and stage.labelset.pk:
        writers = Stage.objects.filter(brick="labelset-output", labelset=stage.labelset).exclude(project=project_id)
        if other := writers.select_related("project").first():
            yield Problem(stage.name, f"The labelset {stage.labelset} is already written by {other.project}.")


def _labelsets(stages: Sequence[Stage]) -> Iterator[Problem]:
    """No labelset is written twice, or read and written; one that is yet to be made is known by its name."""
    outputs = [stage for stage in stages if stage.brick == "labelset-output" and stage.labelset is not None]
    times = Counter(str(stage.labelset) for stage in outputs)
    inputs = {str(stage.labelset) for stage in stages if stage.brick == "labelset-input"}
    for stage in outputs:
        if times[str(stage.labelset)] > 1:
            yield Problem(stage.name, f"Another stage writes the labelset {stage.labelset} too.")
        if str(stage.labelset) in inputs:
            yield Problem(stage.name, f"The labelset {stage.labelset} is read by this pipeline: choose another one.")


def _routing(stage: Stage, by_name: Mapping[str, Stage]) -> Iterator[Problem]:
    brick = brick_of(stage)
    for key in stage.routing:
        if key not in brick.outputs:
            yield Problem(stage.name, f"{brick.label} has no port {key!r}.")
    for port in brick.outputs:
        ways = [(name, chance) for each, name, chance in targets(stage) if each == port]
        if not ways:
            yield Problem(stage.name, f"Its port {port} leads nowhere.")
        for name, _ in ways:
            if name not in by_name:
                yield Problem(stage.name, f"Its port {port} leads to {name!r}, which is no stage.")
            elif name == stage.name:
                yield Problem(stage.name, f"Its port {port} leads back to itself.")
    if "targets" in brick.outputs:
        yield from _chances(stage)


def _chances(stage: Stage) -> Iterator[Problem]:
    given: Any = stage.routing.get("targets")
    if not isinstance(given, dict):
        return
    numbers = [chance for chance in given.values() if isinstance(chance, int | float) and not isinstance(chance, bool)]
    if len(numbers) < len(given) or any(not 0 <= chance <= 1 for chance in numbers):
        yield Problem(stage.name, "Every probability must be a number from 0 to 1.")
    elif abs(sum(numbers) - 1) > SLACK:
        yield Problem(stage.name, f"The probabilities sum to {sum(numbers):g}, not to 1.")


def _shape(stages: Sequence[Stage], graph: Sequence[Edge]) -> Iterator[Problem]:
    """Inputs and outputs exist, everything is reached and reaches an output, and no way goes round in a circle."""
    by_name = {stage.name: stage for stage in stages}
    if not any(not brick_of(stage).inputs for stage in stages):
        yield Problem("", "The pipeline has no input.")
    if not any(brick_of(stage).is_end for stage in stages):
        yield Problem("", "The pipeline has no output.")
    forward = [edge for edge in graph if by_name[edge.source].brick != "feedback"]
    reached = _closure({stage.name for stage in stages if not brick_of(stage).inputs}, graph)
    ending = _closure({stage.name for stage in stages if brick_of(stage).is_end}, [_turned(edge) for edge in graph])
    for stage in stages:
        if stage.name not in reached:
            yield Problem(stage.name, "No task can reach this stage.")
        if stage.name not in ending:
            yield Problem(stage.name, "No task gets from this stage to an output.")
        after = _closure({edge.target for edge in forward if edge.source == stage.name}, forward)
        if stage.name in after:
            yield Problem(stage.name, "The way goes round in a circle here: lead it back by a feedback stage.")
        if stage.brick == "feedback":
            yield from _feedback(stage, by_name, forward)


def _feedback(stage: Stage, by_name: Mapping[str, Stage], forward: Sequence[Edge]) -> Iterator[Problem]:
    target = by_name.get(str(stage.routing.get("feedback")))
    if target is None:
        return
    if stage.name not in _closure({target.name}, forward):
        yield Problem(stage.name, f"Feedback leads only to a stage before it, which {target.name} is not.")
    if "feedback" not in brick_of(target).inputs:
        yield Problem(stage.name, f"{target.name} takes no feedback.")


def _turned(edge: Edge) -> Edge:
    return Edge(edge.target, "", edge.source, "")


def _closure(start: set[str], graph: Sequence[Edge]) -> set[str]:
    """The stages that can be reached from these, these included."""
    found, fresh = set(start), set(start)
    while fresh:
        fresh = {edge.target for edge in graph if edge.source in fresh} - found
        found |= fresh
    return found


def carried(stages: Sequence[Stage], graph: Sequence[Edge]) -> dict[str, Carried | None]:
    """What leaves each stage: its own type and taxonomy, or what comes in; None where neither can be told."""
    by_name = {stage.name: stage for stage in stages}
    leaves: dict[str, Carried | None] = {}

    def leaving(name: str, seen: frozenset[str]) -> Carried | None:
        if name in leaves:
            return leaves[name]
        stage = by_name[name]
        if brick_of(stage).output_type:
            return _made_by(stage)
        for edge in graph:
            if edge.target == name and edge.target_port == "in" and edge.source not in seen:
                return leaving(edge.source, seen | {name})
        return None

    for name in by_name:
        leaves[name] = leaving(name, frozenset({name}))
    return leaves


def _made_by(stage: Stage) -> Carried | None:
    if stage.brick == "labelset-input":
        return Carried(stage.labelset.label_type, _taxonomy_of(stage.labelset)) if stage.labelset else None
    made = brick_of(stage).output_type or ""
    if made != BOXES:
        return Carried(made, None)
    return Carried(made, stage.taxonomy) if stage.taxonomy else None


def _types(stages: Sequence[Stage], graph: Sequence[Edge]) -> Iterator[Problem]:
    by_name = {stage.name: stage for stage in stages}
    leaves = carried(stages, graph)
    for edge in graph:
        target, what = by_name[edge.target], leaves[edge.source]
        if what is None or not brick_of(target).inputs:
            continue
        if what.type not in brick_of(target).accepts:
            wanted = " or ".join(brick_of(target).accepts)
            yield Problem(target.name, f"It takes {wanted}, but {edge.source} sends {what.type}.")
        elif reason := _taxonomy_problem(target, what):
            yield Problem(target.name, f"{reason} {edge.source} sends {what}.")
    yield from _mixed(by_name, graph, leaves)


def _taxonomy_problem(target: Stage, what: Carried) -> str:
    if target.brick == "labelset-output":
        wanted = _taxonomy_of(target.labelset)
        kind = target.labelset.label_type if target.labelset else what.type
        if kind != what.type:
            return f"The labelset {target.labelset} holds {kind}, but"
        return f"The labelset {target.labelset} has the taxonomy {wanted}, but" if _other(wanted, what) else ""
    own = target.taxonomy if "taxonomy" in brick_of(target).needs else None
    return f"It labels with {own}, but" if _other(own, what) else ""


def _taxonomy_of(labelset: Labelset | None) -> Taxonomy | None:
    """One that is yet to be made may have none yet, or one that is yet to be made too."""
    if labelset is None:
        return None
    known: Taxonomy | None = getattr(labelset, "taxonomy", None)
    return known


def _other(own: Taxonomy | None, what: Carried) -> bool:
    return own is not None and what.taxonomy is not None and own != what.taxonomy


def _mixed(
    by_name: Mapping[str, Stage], graph: Sequence[Edge], leaves: Mapping[str, Carried | None]
) -> Iterator[Problem]:
    """A stage that passes on what comes in needs one type and taxonomy from everywhere."""
    for name, stage in by_name.items():
        if brick_of(stage).output_type or brick_of(stage).is_end:
            continue
        kinds = {
            (what.type, str(what.taxonomy))
            for edge in graph
            if edge.target == name and (what := leaves[edge.source]) is not None
        }
        if len(kinds) > 1:
            yield Problem(name, "What leads here differs in type or taxonomy.")
