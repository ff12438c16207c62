"""Pages of projects: list, creation, overview, settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.autolabel.services import flush, send_batch
from apps.common.jobs import execute
from apps.common.models import Run
from apps.projects import services
from apps.projects.models import Project, Stage
from apps.projects.pipelines import to_json
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Dataset, Labelset
from tests.labeling.factory import (
    add_datapoints,
    label_one,
    make_dataset,
    make_labelset,
    make_plant,
    make_taxonomy,
    take_one,
)

ClientOf = Callable[[User], Client]


def page(client: Client, name: str, *args: Any, status: int = 200, **query: Any) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == status, response.content[:2000]
    return response.content.decode()


def chosen(organization: Organization) -> dict[str, Any]:
    taxonomy = make_taxonomy(organization)
    return {
        "name": "First",
        "blueprint": "autolabel",
        "dataset": make_dataset(organization, 3).pk,
        "taxonomy": taxonomy.pk,
        "labelset": make_labelset(taxonomy).pk,
    }


def test_an_empty_organization_offers_to_make_a_project(owner: User, client_of: ClientOf) -> None:
    text = page(client_of(owner), "projects:list", "acme")
    assert "No projects yet" in text and reverse("projects:create", args=["acme"]) in text


def test_a_labeler_is_not_offered_to_make_one(labeler: User, client_of: ClientOf) -> None:
    client = client_of(labeler)
    assert "New project" not in page(client, "projects:list", "acme")
    page(client, "projects:create", "acme", status=403)


@pytest.mark.parametrize("name", ["projects:project", "projects:stages", "projects:settings", "labeling:tasks"])
def test_a_stranger_gets_404(organization: Organization, stranger: User, client_of: ClientOf, name: str) -> None:
    plant = make_plant(organization, 1)
    page(client_of(stranger), name, "acme", plant.project.pk, status=404)
    page(client_of(stranger), name, "other", plant.project.pk, status=404)


def test_a_project_is_created_from_a_blueprint(organization: Organization, owner: User, client_of: ClientOf) -> None:
    response = client_of(owner).post(reverse("projects:create", args=["acme"]), chosen(organization))
    project = Project.objects.get()
    assert response.headers["Location"] == reverse("projects:project", args=["acme", project.pk])
    assert [stage.name for stage in project.stages.all()] == [
        "INPUT",
        "TYPECAST",
        "ACTIVE_LEARNING",
        "LABEL",
        "FEEDBACK",
        "OUTPUT",
    ]
    assert Run.objects.get().kind == "project-create"
    assert "Create project" in page(client_of(owner), "projects:project", "acme", project.pk)


def test_what_a_project_needs_can_be_made_in_place(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    data = {
        "name": "First",
        "blueprint": "autolabel",
        "new_dataset": "Street",
        "new_taxonomy": "Traffic",
        "new_classes": "car\nbus",
        "new_labelset": "Final",
    }
    response = client_of(owner).post(reverse("projects:create", args=["acme"]), data)
    assert response.status_code == 302, response.content
    assert (Dataset.objects.get().name, Labelset.objects.get().name) == ("Street", "Final")
    taxonomy = Taxonomy.objects.get()
    assert taxonomy.frozen_at is not None and taxonomy.categories.count() == 2
    assert Stage.objects.get(name="OUTPUT").labelset == Labelset.objects.get()


def test_nothing_is_made_when_something_is_missing(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    data = {"name": "First", "blueprint": "autolabel", "new_dataset": "Street", "new_taxonomy": "Traffic"}
    response = client_of(owner).post(reverse("projects:create", args=["acme"]), data)
    text = response.content.decode()
    assert response.status_code == 422 and "Please select a labelset for the stage" in text and 'value="Street"' in text
    assert not Project.objects.exists() and not Dataset.objects.exists() and not Taxonomy.objects.exists()


def test_the_preview_says_everything_that_is_missing_at_its_stage(owner: User, client_of: ClientOf) -> None:
    response = client_of(owner).post(reverse("projects:preview", args=["acme"]), {"blueprint": "autolabel"})
    text = response.content.decode()
    for stage, need in [("INPUT", "dataset"), ("LABEL", "taxonomy"), ("OUTPUT", "labelset")]:
        assert f"Please select a {need} for the stage &#x27;{stage}&#x27;" in text
    assert "<svg" in text and "is-wrong" in text


def test_another_organizations_dataset_cannot_be_chosen(
    organization: Organization, owner: User, stranger: User, client_of: ClientOf
) -> None:
    theirs = make_dataset(Organization.objects.get(slug="other"), 1, "Theirs")
    data = chosen(organization) | {"dataset": theirs.pk}
    assert client_of(owner).post(reverse("projects:create", args=["acme"]), data).status_code == 422
    assert not Project.objects.exists()


def test_a_name_that_is_taken_is_refused_and_the_input_kept(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    make_plant(organization, 0, name="First")
    response = client_of(owner).post(reverse("projects:create", args=["acme"]), chosen(organization))
    assert response.status_code == 422
    assert "A project of this name is there already." in response.content.decode()
    assert Project.objects.count() == 1


def test_a_pipeline_in_json_becomes_a_project_and_reads_back_the_same(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    plant = make_plant(organization, 1, "label-review", name="Old")
    written = to_json(plant.project.stages.all())
    make_labelset(plant.taxonomy, "New truth")
    written[-1]["stageConfig"]["labelset"] = "New truth"
    data = {"name": "From JSON", "pipeline": json.dumps(written)}
    response = client_of(owner).post(reverse("projects:create", args=["acme"]) + "?as=json", data)
    assert response.status_code == 302, response.content
    assert to_json(Project.objects.get(name="From JSON").stages.all()) == written


def test_json_that_is_none_is_refused_with_the_place(owner: User, client_of: ClientOf) -> None:
    response = client_of(owner).post(reverse("projects:preview", args=["acme"]), {"pipeline": "[{]"})
    assert "This is not JSON" in response.content.decode()


def test_the_overview_counts_are_true_after_each_action(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    plant = make_plant(organization, 6)

    def counts() -> dict[str, dict[str, int]]:
        response = client_of(owner).get(reverse("projects:project", args=["acme", plant.project.pk]))
        assert response.status_code == 200
        return {row.stage.name: row.states for row in response.context["overview"].rows if row.holds}

    assert counts() == {"LABEL": {"waiting": 6}, "OUTPUT": {}}
    take_one(plant.stage("LABEL"), owner)
    assert counts()["LABEL"] == {"waiting": 5, "assigned": 1}
    label_one(plant.stage("LABEL"), owner)
    assert counts() == {"LABEL": {"waiting": 5}, "OUTPUT": {"done": 1}}


def test_an_overview_without_tasks_leads_to_the_upload(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    plant = make_plant(organization, 0)
    upload = reverse("warehouse:upload", args=["acme", plant.dataset.pk])
    assert upload in page(client_of(owner), "projects:project", "acme", plant.project.pk)


def test_the_overview_takes_the_same_number_of_queries_however_many_tasks(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    few, many = make_plant(organization, 2, name="Few"), make_plant(organization, 200, name="Many")
    client = client_of(owner)
    taken = []
    for plant in (few, few, many):
        with CaptureQueriesContext(connection) as queries:
            page(client, "projects:project", "acme", plant.project.pk)
        taken.append(len(queries))
    assert taken[1] == taken[2] <= 16


def test_the_list_takes_the_same_number_of_queries_however_many_projects(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    client, taken = client_of(owner), []
    for name in ("One", "Two", "Three"):
        make_plant(organization, 0, name=name)
        with CaptureQueriesContext(connection) as queries:
            page(client, "projects:list", "acme")
        taken.append(len(queries))
    assert taken[1] == taken[2]


def test_settings_are_saved(organization: Organization, owner: User, client_of: ClientOf) -> None:
    plant = make_plant(organization, 1, "autolabel")
    client = client_of(owner)
    data = {"name": "Renamed", "description": "", "instructions": "Box every nut", "undecided": "drop"}
    url = reverse("projects:settings", args=["acme", plant.project.pk])
    assert client.post(url, data | {"slider_default": "0.3"}).status_code == 302
    project = Project.objects.get()
    assert (project.name, project.undecided, project.slider_default) == ("Renamed", "drop", 0.3)
    assert client.post(url, data | {"slider_default": "3"}).status_code == 422
    assert "Box every nut" in page(client, "projects:settings", "acme", project.pk)


def test_a_stage_is_configured(organization: Organization, owner: User, client_of: ClientOf) -> None:
    plant = make_plant(organization, 1, "autolabel")
    url = reverse("projects:configure-stage", args=["acme", plant.project.pk, "ACTIVE_LEARNING"])
    data = {
        "batch_size": 7,
        "strategy": "random",
        "audit_share": 0.2,
        "learner": "winnow",
        "preset": "tiny",
        "automatic": "on",
        "train_after": 5,
        "keep_stocked": 9,
    }
    prefixed = {f"ACTIVE_LEARNING-{key}": value for key, value in data.items()}
    assert client_of(owner).post(url, prefixed).status_code == 302
    config = plant.stage("ACTIVE_LEARNING").config
    assert (config["batch_size"], config["strategy"], config["automatic"]) == (7, "random", True)
    wrong = prefixed | {"ACTIVE_LEARNING-batch_size": 0}
    assert client_of(owner).post(url, wrong).status_code == 422
    assert plant.stage("ACTIVE_LEARNING").config["batch_size"] == 7


def test_an_option_is_explained_below_its_field(organization: Organization, owner: User, client_of: ClientOf) -> None:
    plant = make_plant(organization, 1, "autolabel")
    text = page(client_of(owner), "projects:settings", "acme", plant.project.pk)
    assert "Which images of the queue go first." in text and "0.1 is 10 % of a batch." in text


def test_an_archived_project_leaves_the_list_and_comes_back(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    plant = make_plant(organization, 1, name="Shelf")
    client = client_of(owner)
    client.post(reverse("projects:archive", args=["acme", plant.project.pk]))
    assert "Shelf" not in page(client, "projects:list", "acme")
    assert "Shelf" in page(client, "projects:list", "acme", show="archived")
    assert client.post(reverse("projects:archive", args=["acme", plant.project.pk])).status_code == 409
    client.post(reverse("projects:unarchive", args=["acme", plant.project.pk]))
    assert "Shelf" in page(client, "projects:list", "acme")
    told = organization.audit_events.filter(actor=owner, target="Shelf").order_by("pk").values_list("verb", flat=True)
    assert [*told][-2:] == ["archived project", "took project from the archive"]


def test_what_came_to_the_dataset_while_a_project_was_archived_becomes_tasks(
    organization: Organization, owner: User
) -> None:
    plant = make_plant(organization, 1)
    services.archive(project=plant.project, by=owner)
    add_datapoints(plant.dataset, 2)
    services.unarchive(project=plant.project, by=owner)
    execute(Run.objects.get(kind=services.FEED).pk)
    assert plant.project.tasks.count() == 3


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_a_project_is_not_closed_under_a_running_flush(
    organization: Organization, owner: User, client_of: ClientOf, action: str
) -> None:
    plant = make_plant(organization, 2, "autolabel", name="Shelf")
    send_batch(plant.stage("ACTIVE_LEARNING"), size=2, by=owner)
    label_one(plant.stage("LABEL"), owner)
    flush(plant.stage("ACTIVE_LEARNING"), by=owner)
    url = reverse(f"projects:{action}", args=["acme", plant.project.pk])
    answer = client_of(owner).post(url, {"confirmation": "Shelf"})
    assert answer.status_code == 409 and "running in ACTIVE_LEARNING. Cancel it first." in answer.content.decode()
    assert Project.objects.get().status == "ready"


def test_deleting_asks_for_the_name(organization: Organization, owner: User, client_of: ClientOf) -> None:
    plant = make_plant(organization, 1, name="Shelf")
    client = client_of(owner)
    url = reverse("projects:delete", args=["acme", plant.project.pk])
    client.post(url, {"confirmation": "shelf"})
    assert Project.objects.get().status == "ready"
    client.post(url, {"confirmation": "Shelf"})
    assert Project.objects.get().status == "removing"
    assert organization.audit_events.filter(actor=owner, verb="deleted project", target="Shelf").exists()
