"""Pages of stages, tasks and insights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.labeling import transitions
from apps.labeling.models import Prelabel, Task
from tests.labeling.factory import Plant, label_one, make_box, make_plant, take_one

ClientOf = Callable[[User], Client]


def url(name: str, plant: Plant, *more: object) -> str:
    return reverse(f"labeling:{name}", args=[plant.organization.slug, plant.project.pk, *more])


@pytest.fixture
def plant(organization: Organization) -> Plant:
    return make_plant(organization, 4)


def test_the_stage_page_says_who_works_on_what(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    task = take_one(plant.stage("LABEL"), labeler)
    response = client_of(owner).get(url("stage", plant, "LABEL"))
    [hand] = response.context["staffing"].hands
    assert (hand.user, hand.assigned, hand.holds) == (labeler, 1, 1)
    assert task.datapoint.name in response.content.decode()


def test_an_output_that_got_nothing_says_what_comes(plant: Plant, owner: User, client_of: ClientOf) -> None:
    assert "Nothing has arrived yet" in client_of(owner).get(url("stage", plant, "OUTPUT")).content.decode()
    label_one(plant.stage("LABEL"), owner)
    assert "Nothing has arrived yet" not in client_of(owner).get(url("stage", plant, "OUTPUT")).content.decode()


def test_every_page_of_a_project_has_a_title_of_its_own(plant: Plant, owner: User, client_of: ClientOf) -> None:
    client = client_of(owner)
    pages = [url("stage", plant, "LABEL"), *(url(name, plant) for name in ("tasks", "insights"))]
    titles = [client.get(each).content.decode().split("<title>")[1].split("</title>")[0] for each in pages]
    assert [title.split(" · ")[0] for title in titles] == ["LABEL", "Tasks", "Insights"]


def test_a_labeler_sees_the_stage_but_not_who_works(plant: Plant, labeler: User, client_of: ClientOf) -> None:
    take_one(plant.stage("LABEL"), labeler)
    text = client_of(labeler).get(url("stage", plant, "LABEL")).content.decode()
    assert "Unassigned" in text and "Who works on what" not in text


def test_a_manager_releases_what_a_member_holds(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    take_one(plant.stage("LABEL"), labeler)
    client_of(owner).post(url("release-member", plant, "LABEL"), {"member": labeler.pk})
    assert not Task.objects.exclude(assignee=None).exists()


def test_a_manager_releases_and_reassigns_one_task(
    plant: Plant, owner: User, labeler: User, client_of: ClientOf
) -> None:
    task = take_one(plant.stage("LABEL"), labeler)
    client_of(owner).post(url("reassign-task", plant, "LABEL", task.uid), {"member": owner.pk})
    task.refresh_from_db()
    assert (task.state, task.reserved_for) == ("waiting", owner)
    client_of(owner).post(url("release-task", plant, "LABEL", task.uid))
    task.refresh_from_db()
    assert task.reserved_for is None


def test_a_problem_shows_and_is_resolved(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    task = take_one(plant.stage("LABEL"), labeler)
    transitions.report_problem(task_id=task.uid, user=labeler, text="which of the two is it")
    client = client_of(owner)
    assert "which of the two is it" in client.get(url("stage", plant, "LABEL")).content.decode()
    client.post(url("resolve-problem", plant, "LABEL", task.uid), {"text": "the left one"})
    task.refresh_from_db()
    assert (task.state, task.reserved_for) == ("waiting", None)


@pytest.mark.parametrize("name", ["release-member", "release-task", "reassign-task", "resolve-problem"])
def test_a_labeler_may_not_manage(plant: Plant, labeler: User, client_of: ClientOf, name: str) -> None:
    more = [] if name == "release-member" else [plant.tasks("LABEL")[0].uid]
    assert client_of(labeler).post(url(name, plant, "LABEL", *more)).status_code == 403


@pytest.mark.parametrize("name", ["stage", "tasks", "task", "insights", "insights-csv"])
def test_a_stranger_gets_404(plant: Plant, stranger: User, client_of: ClientOf, name: str) -> None:
    more = {"stage": ["LABEL"], "task": [plant.tasks("LABEL")[0].uid], "insights-csv": ["members"]}.get(name, [])
    assert client_of(stranger).get(url(name, plant, *more)).status_code == 404


def names(response: object) -> list[str]:
    return [task.datapoint.name for task in response.context["page"].rows]  # type: ignore[attr-defined]


def test_tasks_are_filtered(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    done = label_one(plant.stage("LABEL"), labeler, [make_box(2)])
    client = client_of(owner)
    everything = names(client.get(url("tasks", plant)))
    assert len(everything) == 4
    assert names(client.get(url("tasks", plant), {"state": "done"})) == [everything[0]]
    assert names(client.get(url("tasks", plant), {"stage": "LABEL"})) == everything[1:]
    assert names(client.get(url("tasks", plant), {"q": "3.JPG"})) == [everything[3]]
    assert names(client.get(url("tasks", plant), {"category": "2"})) == [done.datapoint.name]
    assert names(client.get(url("tasks", plant), {"category": "1"})) == []
    assert names(client.get(url("tasks", plant), {"low": "0.5"})) == []
    assert client.get(url("tasks", plant), {"state": "nonsense"}).status_code == 422


def test_tasks_are_paged_by_key(organization: Organization, owner: User, client_of: ClientOf) -> None:
    plant = make_plant(organization, 120)
    client = client_of(owner)
    seen: list[str] = []
    query = ""
    while True:
        response = client.get(url("tasks", plant) + query)
        seen += names(response)
        query = response.context["links"]["next"]
        if not query:
            break
    assert len(seen) == 120 == len(set(seen))


def test_marked_tasks_are_assigned_moved_and_put_first(
    plant: Plant, owner: User, labeler: User, client_of: ClientOf
) -> None:
    client = client_of(owner)
    uids = [str(task.uid) for task in plant.tasks("LABEL")[2:]]
    client.post(url("bulk-tasks", plant), {"tasks": uids, "action": "assign", "member": labeler.pk})
    assert Task.objects.filter(reserved_for=labeler).count() == 2
    client.post(url("bulk-tasks", plant), {"tasks": uids, "action": "release"})
    assert Task.objects.filter(reserved_for=None).count() == 4
    client.post(url("bulk-tasks", plant), {"tasks": uids, "action": "priority", "priority": 3})
    assert Task.objects.filter(priority=3).count() == 2
    done = label_one(plant.stage("LABEL"), labeler)
    client.post(url("bulk-tasks", plant), {"tasks": [str(done.uid)], "action": "move", "stage": "LABEL"})
    done.refresh_from_db()
    assert done.stage.name == "LABEL"


def test_tasks_of_another_organization_are_not_touched(
    plant: Plant, owner: User, stranger: User, client_of: ClientOf
) -> None:
    theirs = make_plant(Organization.objects.get(slug="other"), 1, name="Theirs")
    [task] = theirs.tasks("LABEL")
    data = {"tasks": [str(task.uid)], "action": "priority", "priority": 3}
    client_of(owner).post(url("bulk-tasks", plant), data)
    client_of(owner).post(url("bulk-tasks", theirs).replace("/other/", "/acme/"), data)
    task.refresh_from_db()
    assert task.priority == 0


def test_the_viewer_shows_each_events_labels(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    done = label_one(plant.stage("LABEL"), labeler, [make_box(2)])
    client = client_of(owner)
    response = client.get(url("task", plant, done.uid))
    assert len(response.context["boxes"]) == 1
    assert [event.words for event in response.context["events"]] == ["Labeled", "Assigned", "Task created"]
    labeled = response.context["events"][0]
    assert client.get(url("task", plant, done.uid), {"event": labeled.pk}).context["chosen"] == labeled


def test_insights_count_tasks_and_seconds(plant: Plant, owner: User, labeler: User, client_of: ClientOf) -> None:
    for _ in range(2):
        label_one(plant.stage("LABEL"), labeler, [make_box(0), make_box(1, x=0.5)])
    response = client_of(owner).get(url("insights", plant))
    [row] = response.context["members"]
    assert (row.name, row.tasks, row.boxes, row.seconds) == ("Labeler", 2, 4, 6)
    text = client_of(owner).get(url("insights-csv", plant, "members")).content.decode()
    assert text.splitlines()[1] == "Labeler,2,4,0,6.0,3.00,1.50"


def test_insights_of_all_members_are_for_managers(plant: Plant, labeler: User, client_of: ClientOf) -> None:
    assert client_of(labeler).get(url("insights", plant)).status_code == 403


def test_seconds_are_drawn_against_the_cycle_of_the_prelabels(
    plant: Plant, owner: User, labeler: User, client_of: ClientOf
) -> None:
    seen = [task.pk for task in plant.tasks("LABEL")]
    Prelabel.objects.create(task_id=seen[1], labels=[make_box(0, id="p0")], confidence=0.9, cycle=1)
    for box in (make_box(0), make_box(0, **{"from": "p0"})):
        label_one(plant.stage("LABEL"), labeler, [box])
    client = client_of(owner)
    page = client.get(url("insights", plant)).content.decode()
    assert "Seconds an image and a box by cycle" in page and 'aria-label="Acceptance of bolt"' in page
    rows = client.get(url("insights-csv", plant, "cycles")).content.decode().splitlines()
    assert rows[1:] == [",1,3.00,3.00", "1,1,3.00,3.00"]
    rows = client.get(url("insights-csv", plant, "classes")).content.decode().splitlines()
    assert rows[1:] == ["bolt,1,1,1.00,0"]
    assert client.get(url("insights-csv", plant, "days")).content.decode().splitlines()[1].endswith(",2,6.0")
    assert client.get(url("insights-csv", plant, "nonsense")).status_code == 404


def test_who_only_reviews_is_counted_too(
    organization: Organization, owner: User, labeler: User, client_of: ClientOf
) -> None:
    plant = make_plant(organization, 2, "label-review")
    label_one(plant.stage("LABEL"), labeler)
    task = take_one(plant.stage("REVIEW"), owner)
    transitions.accept(task_id=task.uid, user=owner, seconds=2, revision=task.revision)
    rows = client_of(owner).get(url("insights", plant)).context["members"]
    assert [(row.name, row.tasks, row.reviews) for row in rows] == [("Labeler", 1, 0), (str(owner), 0, 1)]
