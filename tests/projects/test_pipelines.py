"""The graph of a pipeline: what is wrong with it, and the way a task takes through it."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Organization
from apps.projects import specs
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.bricks import BRICKS
from apps.projects.drawing import draw
from apps.projects.models import Stage
from apps.projects.pipelines import Problem, route, routes, share, share_sql, to_json
from apps.projects.validation import validate
from tests.labeling.factory import make_dataset, make_labelset, make_taxonomy


@pytest.fixture
def choice(organization: Organization) -> Choice:
    taxonomy = make_taxonomy(organization)
    return Choice(
        dataset=make_dataset(organization),
        taxonomy=taxonomy,
        labelset=make_labelset(taxonomy),
        source=make_labelset(taxonomy, "Given"),
    )


def built(choice: Choice, blueprint: str = "autolabel") -> dict[str, Stage]:
    return {stage.name: stage for stage in BLUEPRINTS[blueprint].build(choice)}


def wrong(stages: dict[str, Stage]) -> dict[str, str]:
    return {problem.stage: problem.message for problem in validate(list(stages.values()))}


@pytest.mark.parametrize("blueprint", BLUEPRINTS)
def test_every_blueprint_is_valid(choice: Choice, blueprint: str) -> None:
    assert validate(BLUEPRINTS[blueprint].build(choice)) == []


@pytest.mark.parametrize("blueprint", BLUEPRINTS)
def test_every_blueprint_reads_back_exactly_from_json(
    organization: Organization, choice: Choice, blueprint: str
) -> None:
    written = to_json(BLUEPRINTS[blueprint].build(choice))
    stages, problems = specs.from_json(organization, written)
    assert problems == [] and to_json(stages) == written


@pytest.mark.parametrize("blueprint", BLUEPRINTS)
def test_every_stage_of_a_drawing_has_its_own_place(choice: Choice, blueprint: str) -> None:
    drawing = draw(BLUEPRINTS[blueprint].build(choice))
    places = {(node.layer, node.row) for node in drawing.nodes}
    assert len(places) == len(drawing.nodes)
    assert all(node.x >= 0 and node.y >= 0 and node.x < drawing.width for node in drawing.nodes)


def test_everything_that_is_missing_is_said_at_once() -> None:
    problems = validate(BLUEPRINTS["autolabel"].build(Choice()))
    assert {problem.stage for problem in problems} == {"INPUT", "TYPECAST", "ACTIVE_LEARNING", "LABEL", "OUTPUT"}


def test_types_must_match_along_an_edge(choice: Choice) -> None:
    stages = built(choice)
    stages["INPUT"].routing = {"next": "ACTIVE_LEARNING"}
    found = wrong(stages)
    assert "takes image_bbox, but INPUT sends image_items" in found["ACTIVE_LEARNING"]
    assert found["TYPECAST"] in ("Nothing leads here.", "No task can reach this stage.")


def test_the_taxonomy_must_be_the_same_along_an_edge(organization: Organization, choice: Choice) -> None:
    stages = built(choice)
    stages["LABEL"].taxonomy = make_taxonomy(organization, "Other")
    found = wrong(stages)
    assert "LABEL" in found and "ACTIVE_LEARNING" in found


def test_the_labelset_must_have_the_taxonomy(organization: Organization, choice: Choice) -> None:
    stages = built(choice)
    stages["OUTPUT"].labelset = make_labelset(make_taxonomy(organization, "Other"), "Other")
    assert "has the taxonomy Other v1" in wrong(stages)["OUTPUT"]


def test_a_circle_must_lead_back_by_feedback(choice: Choice) -> None:
    stages = built(choice, "label-review")
    stages["REVIEW"].routing = {"passed": "OUTPUT", "failed": "LABEL"}
    del stages["REJECTED"]
    found = wrong(stages)
    assert "circle" in found["LABEL"] and "circle" in found["REVIEW"]


def test_feedback_leads_only_upstream_and_where_it_is_taken(choice: Choice) -> None:
    stages = built(choice, "label-review")
    stages["REJECTED"].routing = {"feedback": "REVIEW"}
    assert "takes no feedback" in wrong(stages)["REJECTED"]
    stages["REJECTED"].routing = {"feedback": "OUTPUT"}
    assert wrong(stages)["REJECTED"]


@pytest.mark.parametrize(
    ("change", "stage", "words"),
    [
        (lambda s: s["LABEL"].routing.clear(), "LABEL", "leads nowhere"),
        (lambda s: s["LABEL"].routing.update(next="GONE"), "LABEL", "which is no stage"),
        (lambda s: s["LABEL"].routing.update(next="LABEL"), "LABEL", "back to itself"),
        (lambda s: s["LABEL"].routing.update(other="OUTPUT"), "LABEL", "has no port"),
        (lambda s: setattr(s["LABEL"], "name", "a b"), "a b", "4 to 20"),
        (lambda s: setattr(s["LABEL"], "brick", "magic"), "LABEL", "no brick"),
        (lambda s: s["ACTIVE_LEARNING"].config.update(batch_size="x"), "ACTIVE_LEARNING", "whole number"),
        (lambda s: s["ACTIVE_LEARNING"].config.update(wings=2), "ACTIVE_LEARNING", "no setting"),
        (lambda s: s["FEEDBACK"].routing.clear(), "ACTIVE_LEARNING", "feedback"),
    ],
)
def test_what_is_wrong_is_said_at_its_stage(choice: Choice, change: Any, stage: str, words: str) -> None:
    stages = built(choice)
    change(stages)
    messages = [problem.message for problem in validate(list(stages.values())) if problem.stage == stage]
    assert any(words in message for message in messages), messages


def test_probabilities_sum_to_one(choice: Choice) -> None:
    stages = filtered(choice, {"LABEL": 0.3, "OTHER": 0.6})
    assert "sum to 0.9" in wrong(stages)["SPLIT"]


def filtered(choice: Choice, chances: dict[str, Any]) -> dict[str, Stage]:
    stages = built(choice, "manual")
    stages["INPUT"].routing = {"next": "SPLIT"}
    stages["SPLIT"] = Stage(name="SPLIT", brick="task-random-filter", routing={"targets": chances})
    stages["OTHER"] = Stage(name="OTHER", brick="manual-labeling", taxonomy=choice.taxonomy, routing={"next": "OUTPUT"})
    return stages


def test_a_random_filter_sends_the_shares_it_says(choice: Choice) -> None:
    stages = filtered(choice, {"LABEL": 0.3, "OTHER": 0.7})
    assert validate(list(stages.values())) == []
    stages["SPLIT"].pk = 77
    every = list(stages.values())
    ends = [route(every, stages["INPUT"], "next", key).stage.name for key in range(4000)]
    assert 0.27 < ends.count("LABEL") / 4000 < 0.33
    assert ends == [route(every, stages["INPUT"], "next", key).stage.name for key in range(4000)]


def test_a_share_is_the_same_in_sql(organization: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d, {share_sql('d')} FROM generate_series(1, 500) d",  # noqa: S608
            [31],
        )
        for key, value in cursor.fetchall():
            assert share(31, key) == float(value)


def test_redbricks_words_are_understood(organization: Organization, choice: Choice) -> None:
    stages, problems = specs.from_json(
        organization,
        [
            {
                "brickName": "manual-label",
                "stageName": "LABEL",
                "stageConfig": {},
                "routing": {"nextStageName": "OUTS"},
            },
            {"brickName": "feedback", "stageName": "BACK", "routing": {"feedbackStageName": "LABEL"}},
            {
                "brickName": "brightics-aia-autolabel",
                "stageName": "LEARN",
                "routing": {"passed": "OUTS", "failed": "LABEL"},
            },
        ],
    )
    assert problems == []
    assert [stage.brick for stage in stages][:2] == ["manual-labeling", "feedback"]
    assert [stage.routing for stage in stages] == [
        {"next": "OUTS"},
        {"feedback": "LABEL"},
        {"flush": "OUTS", "label": "LABEL"},
    ]


def test_what_json_names_must_be_there(organization: Organization, choice: Choice) -> None:
    written = to_json(BLUEPRINTS["manual"].build(choice))
    written[0]["stageConfig"]["dataset"] = "No such"
    written[1]["surprise"] = 1
    _, problems = specs.from_json(organization, written)
    assert Problem("INPUT", "There is no dataset named 'No such'.") in problems
    assert Problem("LABEL", "Unknown key 'surprise'.") in problems


@pytest.mark.parametrize("raw", [None, 3, "x", {}, [3], [{}], [{"stageName": 4}], [{"stageName": "A", "routing": 3}]])
def test_json_of_another_shape_is_refused_in_words(organization: Organization, raw: object) -> None:
    stages, problems = specs.from_json(organization, raw)
    assert problems or validate(stages)


NAMES = st.sampled_from(["INPUT", "SPLIT", "LABEL", "REVIEW", "BACK", "LEARN", "OUTPUT", "OTHER"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), data=st.data())
def test_no_graph_however_broken_makes_validation_fail_or_a_valid_one_stray(
    choice: Choice, seed: int, data: st.DataObject
) -> None:
    """Any stages with any routing: every error is a Problem; without one every task comes to rest."""
    dice = random.Random(seed)
    names = data.draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    stages = [_random_stage(dice, name, names, choice, number) for number, name in enumerate(names, 1)]
    draw(stages, problems=validate(stages))
    if validate(stages):
        return
    for stage in stages:
        for port in BRICKS[stage.brick].outputs:
            assert routes(stages, stage, port)
            for key in range(20):
                assert BRICKS[route(stages, stage, port, key).stage.brick].holds_tasks


def _random_stage(dice: random.Random, name: str, names: list[str], choice: Choice, number: int) -> Stage:
    brick = BRICKS[dice.choice(list(BRICKS))]
    stage = Stage(pk=number, name=name, brick=brick.name)
    for need in brick.needs:
        setattr(stage, need, getattr(choice, need) if dice.random() < 0.9 else None)
    for port in brick.outputs:
        if port == "targets":
            some = dice.sample(names, k=min(2, len(names)))
            stage.routing[port] = {each: 1 / len(some) for each in some}
        else:
            stage.routing[port] = dice.choice([*names, "GONE"])
    return stage


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_valid_pipeline_that_is_damaged_once_is_refused(choice: Choice, seed: int) -> None:
    dice = random.Random(seed)
    stages = copy.deepcopy(BLUEPRINTS[dice.choice(list(BLUEPRINTS))].build(choice))
    victim = dice.choice([stage for stage in stages if stage.routing])
    port = dice.choice(list(victim.routing))
    victim.routing[port] = dice.choice(["GONE", victim.name, "", 3, None])
    assert any(problem.stage == victim.name for problem in validate(stages))
