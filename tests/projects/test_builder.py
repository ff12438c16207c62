"""The stage builder: fields of a page become the JSON form, and back, without loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.projects import builder, specs
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project
from apps.projects.pipelines import to_json
from apps.projects.validation import validate
from tests.labeling.factory import make_dataset, make_labelset, make_taxonomy

ClientOf = Callable[[User], Client]


@pytest.fixture
def items(organization: Organization) -> list[dict[str, Any]]:
    taxonomy = make_taxonomy(organization)
    choice = Choice(dataset=make_dataset(organization), taxonomy=taxonomy, labelset=make_labelset(taxonomy))
    return to_json(BLUEPRINTS["autolabel-review"].build(choice))


def posted(items: list[dict[str, Any]]) -> dict[str, str]:
    """What a browser sends for these stages."""
    data: dict[str, str] = {}
    for each in builder.fields_of(items):
        number = each.number
        data |= {f"brick-{number}": each.brick.name, f"old-{number}": each.name, f"name-{number}": each.name}
        data |= {f"{need}-{number}": value for need, value in each.chosen.items()}
        for setting in each.settings:
            if setting.kind != "checkbox" or setting.value:
                data[f"config-{setting.key}-{number}"] = "on" if setting.kind == "checkbox" else str(setting.value)
        for port in each.ports:
            data[f"port-{port.name}-{number}"] = port.target
            data |= {f"share-{other}-{number}": str(share) for other, share in port.shares}
    return data


def plain(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the settings that are as by default, which the builder leaves out."""
    kept = []
    for item, each in zip(items, builder.fields_of(items), strict=True):
        config = {k: v for k, v in item["stageConfig"].items() if each.brick.options.get(k, ...) != v}
        kept.append(item | {"stageConfig": config})
    return kept


def test_the_fields_read_back_as_the_pipeline(items: list[dict[str, Any]]) -> None:
    assert builder.read(posted(items)) == plain(items)


def test_settings_are_read_as_numbers_choices_and_switches(items: list[dict[str, Any]]) -> None:
    data = posted(items) | {"config-batch_size-2": "7", "config-strategy-2": "random", "config-automatic-2": "on"}
    config = builder.read(data)[2]["stageConfig"]
    assert (config["batch_size"], config["strategy"], config["automatic"]) == (7, "random", True)
    assert builder.read(posted(items) | {"config-batch_size-2": "many"})[2]["stageConfig"]["batch_size"] == "many"


def test_a_new_name_is_taken_up_by_whatever_leads_there(items: list[dict[str, Any]]) -> None:
    label = next(number for number, item in enumerate(items) if item["stageName"] == "LABEL")
    changed = builder.read(posted(items) | {f"name-{label}": "DRAW_BOXES"})
    assert {target for item in changed for target in item["routing"].values()} >= {"DRAW_BOXES"}
    assert "LABEL" not in json.dumps(changed).replace("LABELING", "")


def test_a_stage_is_added_under_a_free_name_and_removed_with_what_led_to_it(
    organization: Organization, items: list[dict[str, Any]]
) -> None:
    more = builder.add(builder.add(items, "feedback"), "feedback")
    assert [item["stageName"] for item in more[-2:]] == ["FEEDBACK_2", "FEEDBACK_3"]
    fewer = builder.remove(items, [item["stageName"] for item in items].index("REVIEW"))
    assert "REVIEW" not in json.dumps(fewer)
    stages, problems = specs.from_json(organization, fewer)
    assert problems == [] and any(problem.stage == "LABEL" for problem in validate(stages))


def test_shares_of_a_filter_are_read(items: list[dict[str, Any]]) -> None:
    more = builder.add(items, "task-random-filter")
    number = len(more) - 1
    data = posted(more) | {f"share-LABEL-{number}": "0.25", f"share-OUTPUT-{number}": "0.75"}
    assert builder.read(data)[number]["routing"] == {"targets": {"LABEL": 0.25, "OUTPUT": 0.75}}


def test_the_page_follows_each_change(
    items: list[dict[str, Any]], owner: User, labeler: User, client_of: ClientOf
) -> None:
    url = reverse("projects:build", args=["acme"])
    client = client_of(owner)
    assert "The pipeline is valid." in client.post(url, posted(items)).content.decode()
    text = client.post(url, posted(items) | {"add": "1", "new_brick": "expert-review"}).content.decode()
    assert "EXPERT_REVIEW" in text and "Nothing leads here." in text
    assert client_of(labeler).post(url, posted(items)).status_code == 403


@pytest.mark.parametrize("odd", ["²", "9" * 500, "007", "-1", "x"])
def test_a_number_that_is_none_changes_nothing(
    items: list[dict[str, Any]], owner: User, client_of: ClientOf, odd: str
) -> None:
    data = posted(items) | {"remove": odd, f"brick-{odd}": "expert-review"}
    response = client_of(owner).post(reverse("projects:build", args=["acme"]), data)
    assert response.status_code == 200 and "EXPERT_REVIEW" not in response.content.decode()


def test_what_was_built_becomes_a_project(
    organization: Organization, items: list[dict[str, Any]], owner: User, client_of: ClientOf
) -> None:
    client = client_of(owner)
    built = client.post(reverse("projects:build", args=["acme"]), posted(items)).context["draft"].text
    url = reverse("projects:create", args=["acme"]) + "?as=stages"
    response = client.post(url, posted(items) | {"name": "Built", "pipeline": built})
    assert response.status_code == 302, response.content
    assert [stage.name for stage in Project.objects.get().stages.all()] == [item["stageName"] for item in items]


def test_a_blueprint_opens_in_the_builder_with_what_was_chosen(
    organization: Organization, items: list[dict[str, Any]], owner: User, client_of: ClientOf
) -> None:
    data = {"blueprint": "manual", "name": "Begun", "dataset": organization.datasets.get().pk}
    url = reverse("projects:from-blueprint", args=["acme"]) + "?as=stages"
    text = client_of(owner).post(url, data).content.decode()
    assert 'value="Begun"' in text and '<option value="Bench" selected>' in text
    assert "Please select a taxonomy for the stage" in text


def test_a_target_that_is_no_stage_is_said_at_its_stage(
    items: list[dict[str, Any]], owner: User, client_of: ClientOf
) -> None:
    text = json.dumps(items).replace('"next": "REVIEW"', '"next": "NOWHERE"')
    response = client_of(owner).post(reverse("projects:preview", args=["acme"]), {"pipeline": text})
    assert "leads to &#x27;NOWHERE&#x27;, which is no stage." in response.content.decode()
