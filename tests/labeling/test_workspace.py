"""The labeling page's endpoints: who may, what comes back, what is refused."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.labeling.models import Annotation, Comment, Draft, Task, TaskState
from tests.labeling.workspace_desk import Picture, make_desk, predicted

PRELABELS = [predicted(1, 0, [0.1, 0.1, 0.2, 0.2], 0.9), predicted(2, 1, [0.5, 0.5, 0.2, 0.2], 0.3)]
MINE = [{"id": "m1", "category": 2, "bbox": [0.25, 0.25, 0.5, 0.5], "source": "human"}]


@pytest.fixture
def desk(organization):
    pictures = [
        Picture("a.jpg", prelabels=PRELABELS),
        Picture("b.jpg", prelabels=PRELABELS, audit=True),
        *(Picture(f"c{n}.jpg") for n in range(6)),
    ]
    return make_desk(organization, pictures)


@pytest.fixture
def client(desk, labeler, client_of):
    return client_of(labeler)


def taken(client, desk):
    return client.post(desk.url("next")).json()["tasks"]


def work(labels=MINE, revision=0, **more):
    return {"labels": json.dumps(labels), "seconds": "3.5", "revision": revision, **more}


VERBS = ["save", "submit", "accept", "reject", "skip", "problem", "reopen", "comments"]
PAGES = ["next", "renew", "release", "prefs"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_gets_404_from_every_verb(desk, stranger, client_of, verb):
    task = desk.task("a.jpg")
    assert client_of(stranger).post(desk.url(verb, task), work()).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_gets_404_from_every_list(desk, stranger, client_of, name):
    assert client_of(stranger).post(desk.url(name)).status_code == 404


@pytest.mark.parametrize("name", ["recent", "who"])
def test_a_stranger_reads_nothing(desk, stranger, client_of, name):
    client = client_of(stranger)
    assert client.get(desk.url(name)).status_code == 404
    assert client.get(desk.path).status_code == 404
    assert client.get(desk.url("task", desk.task("a.jpg"))).status_code == 404


def test_a_task_of_another_project_is_404(desk, client, organization):
    other = Task.objects.create(
        project=type(desk.project).objects.create(organization=organization, name="Other"),
        datapoint=desk.task("a.jpg").datapoint, stage=desk.stage,
    )  # fmt: skip
    assert client.post(desk.url("save", other), work()).status_code == 404


def test_a_stage_where_nobody_labels_has_no_page(desk, client):
    assert client.get(desk.path.replace("/LABEL/", "/OUTPUT/")).status_code == 404


def test_the_page_names_project_classes_and_keeps_to_its_policy(desk, client):
    response = client.get(desk.path)
    page = response.content.decode()
    assert response.status_code == 200
    assert "Streets" in page
    assert '"name": "bicycle"' in page
    assert "style=" not in page
    assert "onclick" not in page


def test_next_leases_five_tasks_in_order_with_their_pre_labels(desk, client, labeler):
    tasks = taken(client, desk)
    assert [task["name"] for task in tasks] == ["a.jpg", "b.jpg", "c0.jpg", "c1.jpg", "c2.jpg"]
    assert tasks[0]["labels"] == tasks[0]["prelabels"] == PRELABELS
    assert (tasks[0]["width"], tasks[0]["height"]) == (640, 480)
    assert Task.objects.filter(assignee=labeler, state=TaskState.ASSIGNED).count() == 5


def test_an_audit_is_blind_and_looks_like_any_other_task(desk, client):
    _, audit, plain = taken(client, desk)[:3]
    assert audit["labels"] == audit["prelabels"] == []
    assert audit.keys() == plain.keys()
    assert "audit" not in json.dumps(audit)


def test_a_save_is_a_draft_with_which_the_task_opens_again(desk, client):
    task = taken(client, desk)[0]
    answer = client.post(task["url"] + "save/", work(revision=task["revision"]))
    assert answer.json() == {"revision": task["revision"] + 1}
    again = client.get(task["url"]).json()["task"]
    assert [label["bbox"] for label in again["labels"]] == [[0.25, 0.25, 0.5, 0.5]]
    assert again["seconds"] == 3.5
    assert again["state"] == "in_progress"


def test_a_page_that_somebody_else_left_open_changes_nothing(desk, client, labeler, admin, client_of):
    task = taken(client, desk)[0]
    left_open = {"x-user": str(labeler.pk)}
    answer = client_of(admin).post(task["url"] + "save/", work(revision=task["revision"]), headers=left_open)
    assert answer.status_code == 401
    assert client_of(admin).post(desk.url("next"), headers=left_open).status_code == 401
    assert not Task.objects.filter(assignee=admin).exists()
    assert client.post(task["url"] + "save/", work(revision=task["revision"]), headers=left_open).status_code == 200


def test_a_renewal_tells_which_tasks_are_still_held(desk, client, admin, client_of):
    ids = [task["id"] for task in taken(client, desk)]
    Task.objects.filter(uid=ids[0]).update(leased_until=timezone.now() - timedelta(minutes=1))
    assert ids[0] in [task["id"] for task in taken(client_of(admin), desk)]
    assert set(client.post(desk.url("renew"), {"tasks": ids}).json()["held"]) == set(ids[1:])


def test_an_empty_list_of_labels_is_an_answer(desk, client):
    task = taken(client, desk)[2]
    assert client.post(task["url"] + "submit/", work([], task["revision"])).status_code == 200
    assert desk.task("c0.jpg").annotation.labels == []


def test_a_stale_save_is_refused_with_the_newer_state(desk, client):
    task = taken(client, desk)[0]
    client.post(task["url"] + "save/", work(revision=task["revision"]))
    answer = client.post(task["url"] + "save/", work([], revision=task["revision"]))
    assert answer.status_code == 409
    newer = answer.json()["task"]
    assert newer["revision"] == task["revision"] + 1
    assert newer["open"] is True
    assert len(newer["labels"]) == 1
    assert len(Draft.objects.get(task__uid=task["id"]).labels) == 1


def test_a_task_that_somebody_else_took_is_refused_and_shown_as_closed(desk, client, admin, client_of):
    task = taken(client, desk)[0]
    Task.objects.filter(uid=task["id"]).update(leased_until=timezone.now() - timedelta(minutes=1))
    assert task["id"] in [one["id"] for one in taken(client_of(admin), desk)]
    answer = client.post(task["url"] + "submit/", work(revision=task["revision"]))
    assert answer.status_code == 409
    assert answer.json()["task"]["open"] is False
    assert not Annotation.objects.exists()


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([{"id": "x", "category": 9, "bbox": [0, 0, 1, 1]}], "not in the taxonomy"),
        ([{"id": "x", "category": 0, "bbox": [0.1, 0.1, 0, 0.5]}], "no area"),
        ([{"id": "x", "category": 0, "bbox": [0.9, 0.1, 0.5, 0.5]}], "outside the image"),
        ([{"id": "x", "category": 0, "bbox": [float("nan"), 0.1, 0.5, 0.5]}], "not a finite number"),
        ({"a": 1}, "must be a list"),
    ],
)
def test_labels_that_cannot_be_are_422_with_their_position_and_nothing_is_saved(desk, client, labels, reason):
    task = taken(client, desk)[0]
    answer = client.post(task["url"] + "save/", work(labels, task["revision"]))
    assert answer.status_code == 422
    assert reason in answer.json()["message"]
    assert not Draft.objects.exists()
    assert Task.objects.get(uid=task["id"]).revision == task["revision"]


def test_a_submit_with_undecided_pre_labels_is_refused_where_the_project_asks(desk, client):
    task = taken(client, desk)[0]
    answer = client.post(task["url"] + "submit/", work(PRELABELS, task["revision"]))
    assert answer.status_code == 422
    assert "2 pre-labels are neither accepted nor rejected" in answer.json()["message"]
    assert not Annotation.objects.exists()


def test_edits_are_counted_on_the_server(desk, client):
    task = taken(client, desk)[0]
    kept = PRELABELS[0] | {"source": "human", "from": "p1"}
    assert client.post(task["url"] + "submit/", work([kept, *MINE], task["revision"])).status_code == 200
    annotation = desk.task("a.jpg").annotation
    assert annotation.seconds == 3.5
    assert {name: annotation.edits[name] for name in ("kept", "added", "deleted")} == {
        "kept": 1, "added": 1, "deleted": 1,
    }  # fmt: skip


def test_a_submitted_task_can_be_taken_back_with_its_labels(desk, client):
    task = taken(client, desk)[2]
    client.post(task["url"] + "submit/", work(revision=task["revision"]))
    assert [one["name"] for one in client.get(desk.url("recent")).json()["tasks"]] == ["c0.jpg"]
    again = client.post(task["url"] + "reopen/").json()["task"]
    assert again["open"] is True
    assert [label["category"] for label in again["labels"]] == [2]
    assert client.get(desk.url("recent")).json()["tasks"] == []


def test_a_skipped_task_goes_to_the_end_with_its_reason(desk, client):
    task = taken(client, desk)[2]
    assert client.post(task["url"] + "skip/", {"reason": "Image quality"}).status_code == 200
    skipped = desk.task("c0.jpg")
    assert (skipped.state, skipped.assignee) == (TaskState.WAITING, None)
    assert skipped.events.last().detail == {"reason": "Image quality"}


def test_a_problem_needs_a_text_and_takes_the_task_out(desk, client):
    task = taken(client, desk)[2]
    assert client.post(task["url"] + "problem/", {"text": " "}).status_code == 422
    assert client.post(task["url"] + "problem/", {"text": "Broken image"}).status_code == 200
    assert desk.task("c0.jpg").state == TaskState.PROBLEM


def test_comments_are_about_a_task_or_one_box_and_can_be_resolved(desk, client):
    task = taken(client, desk)[2]
    url = task["url"] + "comments/"
    client.post(url, {"text": "Is this a car?", "label_id": "m1"})
    [said] = client.get(url).json()["comments"]
    assert (said["text"], said["label_id"], said["author"], said["resolved"]) == (
        "Is this a car?", "m1", "Labeler", False,
    )  # fmt: skip
    assert client.get(task["url"]).json()["task"]["comments"] == 1
    assert client.post(url, {"resolve": said["id"]}).json()["comments"][0]["resolved"] is True
    assert client.post(url, {"text": ""}).status_code == 422
    assert Comment.objects.count() == 1


def test_the_open_page_renews_its_leases_and_can_give_them_back(desk, client, labeler):
    tasks = taken(client, desk)
    ids = [task["id"] for task in tasks]
    Task.objects.filter(uid__in=ids).update(leased_until=timezone.now() + timedelta(seconds=5))
    assert client.post(desk.url("renew"), {"tasks": ids}).status_code == 200
    assert Task.objects.filter(leased_until__gt=timezone.now() + timedelta(minutes=20)).count() == 5
    assert client.post(desk.url("release"), {"tasks": ids[1:]}).json() == {"released": 4}
    assert Task.objects.filter(assignee=labeler).count() == 1
    assert client.post(desk.url("renew"), {"tasks": ["nonsense"]}).status_code == 422


def test_settings_of_the_page_are_remembered_per_user(desk, client, labeler, admin, client_of):
    prefs = {"keys": {"accept": ["E"]}, "brightness": 140}
    assert client.post(desk.url("prefs"), {"prefs": json.dumps(prefs)}).status_code == 200
    assert '"accept": ["E"]' in client.get(desk.path).content.decode()
    assert '"accept": ["E"]' not in client_of(admin).get(desk.path).content.decode()
    for refused in ('"x"', '{"sliders": 1}', '{"keys": []}', '{"invert": "\\u0000"}'):
        assert client.post(desk.url("prefs"), {"prefs": refused}).status_code == 422


def test_settings_change_a_part_at_a_time(desk, client, labeler):
    for prefs in (
        {"keys": {"accept": ["E"], "reject": ["F"]}, "brightness": 140, "sliders": {"one": 0.5}},
        {"keys": {"accept": None, "skip": ["B"]}, "sliders": {"two": 0.8}, "classSliders": {"two": {"1": 0.3}}},
        {"classSliders": {"two": {}}, "invert": True},
    ):
        assert client.post(desk.url("prefs"), {"prefs": json.dumps(prefs)}).status_code == 200
    labeler.refresh_from_db()
    assert labeler.preferences["workspace"] == {
        "keys": {"reject": ["F"], "skip": ["B"]}, "brightness": 140, "invert": True,
        "sliders": {"one": 0.5, "two": 0.8}, "classSliders": {"two": {}},
    }  # fmt: skip


def test_a_rejected_task_returns_with_what_the_reviewer_wrote(organization, labeler, admin, client_of):
    desk = make_desk(organization, [Picture("a.jpg")], blueprint="label-review")
    client, reviewer = client_of(labeler), client_of(admin)
    task = taken(client, desk)[0]
    client.post(task["url"] + "submit/", work(revision=task["revision"]))
    review = type(desk)(desk.project, desk.project.stages.get(name="REVIEW"))
    seen = taken(reviewer, review)[0]
    assert [label["category"] for label in seen["labels"]] == [2]
    refused = reviewer.post(seen["url"] + "reject/", work(revision=seen["revision"], comment=""))
    assert refused.status_code == 422
    answer = reviewer.post(seen["url"] + "reject/", work(revision=seen["revision"], comment="Too wide"))
    assert answer.status_code == 200
    back = taken(client, desk)[0]
    assert (back["name"], back["note"]) == ("a.jpg", "Too wide")
    client.post(back["url"] + "submit/", work(revision=back["revision"]))
    seen = taken(reviewer, review)[0]
    assert seen["note"] == ""
    assert reviewer.post(seen["url"] + "accept/", work(seen["labels"], seen["revision"])).status_code == 200
    assert desk.task("a.jpg").stage.name == "OUTPUT"
