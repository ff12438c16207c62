"""Promises of the one error shape, limits, idempotency of forms, and revisions."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import Organization, User
from apps.api.urls import api
from apps.labeling.models import Comment
from tests.api.conftest import Caller
from tests.autolabel.loop import Loop
from tests.labeling.workspace_desk import Picture, make_desk
from tests.warehouse.factory import make_picture

pytestmark = pytest.mark.django_db
SHAPE = {"code", "message", "errors"}


def told(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, in the one shape."""
    assert answer.status_code == status, answer.content
    body: dict[str, Any] = answer.json()
    assert set(body) == SHAPE and body["code"] == code and body["message"]
    assert all(set(each) == {"position", "field", "message"} for each in body["errors"])
    return body


def test_every_refusal_has_the_one_shape(caller: Caller, settings: Any) -> None:
    told(Client().get("/api/v1/nothing/of/this"), 404, "not_found")
    told(caller.get("/datasets/4711"), 404, "not_found")
    told(caller.get("/datasets/4711%00"), 404, "not_found")
    refused = caller.send("DELETE", "/datasets")
    told(refused, 405, "method_not_allowed")
    assert refused["Allow"] == "GET, POST"
    told(caller.upload("/datasets", {"name": "x"}), 415, "unsupported_media_type")
    told(caller.client.generic("POST", f"{caller.root}/datasets", "{", "application/json", headers=caller._headers()),
         400, "bad_request")  # fmt: skip
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    told(caller.post("/datasets", {"name": "x" * 2000}), 413, "too_large")


def test_a_refusal_names_the_place_of_each_mistake(caller: Caller, loop: Loop) -> None:
    loop.send(1)
    (task,) = caller.post(f"/projects/{loop.project.uid}/stages/LABEL/tasks/next", {"count": 1}).json()["items"]
    labels = [{"category": 0, "bbox": [0, 0, 1, 1]}, {"category": 7, "bbox": [0, 0, 1, 1]}, {"bbox": 3}]
    body = {"labels": labels, "revision": task["revision"]}
    body = told(caller.post(f"/tasks/{task['taskId']}/submit", body), 422, "invalid")
    assert [each["position"] for each in body["errors"]] == [1, 2]
    mixed = {"labels": [{"bbox2d": {}, "category": [["object", "gray"]]}], "revision": task["revision"]}
    assert told(caller.post(f"/tasks/{task['taskId']}/submit", mixed), 422, "invalid")["errors"][0]["position"] == 0


def test_a_submit_with_undecided_pre_labels_says_which_and_may_say_what_becomes_of_them(
    caller: Caller, organization: Organization
) -> None:
    predicted = [{"id": f"p{n}", "category": n, "bbox": [0.1, 0.1, 0.2, 0.2], "source": "model"} for n in (0, 1)]
    desk = make_desk(organization, [Picture("a.jpg", prelabels=predicted)])
    (task,) = caller.post(f"/projects/{desk.project.uid}/stages/LABEL/tasks/next", {"count": 1}).json()["items"]
    accepted = {**predicted[0], "source": "human", "from": "p0"}
    work = {"labels": [accepted, predicted[1]], "revision": task["revision"]}
    body = told(caller.post(f"/tasks/{task['taskId']}/submit", work), 422, "invalid")
    assert body["message"] == "1 pre-label is neither accepted nor rejected."
    assert [each["position"] for each in body["errors"]] == [1]
    assert caller.post(f"/tasks/{task['taskId']}/submit", work | {"undecided": "drop"}).status_code == 200
    annotation = desk.task("a.jpg").annotation
    assert annotation is not None and [label["id"] for label in annotation.labels] == ["p0"]


def test_an_unknown_option_does_not_pass_for_its_default(caller: Caller) -> None:
    body = told(caller.post("/datasets", {"name": "x", "desciption": "y"}), 422, "invalid")
    assert [each["field"] for each in body["errors"]] == ["payload.desciption"] or "desciption" in str(body["errors"])


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_text_that_no_row_can_hold_is_refused(caller: Caller, name: str) -> None:
    told(caller.post("/datasets", {"name": name}), 422, "invalid")


def test_a_name_is_one_line_without_spaces_around_it(caller: Caller) -> None:
    for name in ("two\nlines", "two\rlines", " \t "):
        told(caller.post("/datasets", {"name": name}), 422, "invalid")
    assert caller.post("/datasets", {"name": " Street cameras\n"}).json()["name"] == "Street cameras"


def test_a_key_that_asks_too_often_waits_and_others_do_not(
    caller: Caller, caller_of: Callable[[User], Caller], admin: User, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    cache.clear()
    answers = [caller.get("/datasets") for _ in range(7)]
    assert answers[0].status_code == 200
    refused = next(answer for answer in answers if answer.status_code != 200)  # a minute may turn in between
    told(refused, 429, "too_many_requests")
    assert 1 <= int(refused["Retry-After"]) <= 61
    assert caller_of(admin).get("/datasets").status_code == 200


def test_a_form_sent_twice_with_one_key_acts_once(caller: Caller, organization: Organization, settings: Any) -> None:
    """Also where the file is larger than what a body in memory may be."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    dataset = caller.post("/datasets", {"name": "cells"}).json()["id"]

    def send(name: str) -> Any:
        file = SimpleUploadedFile("a.jpg", make_picture())
        headers = caller._headers() | {"Idempotency-Key": "k"}
        return caller.client.post(f"{caller.root}/datasets/{dataset}/datapoints", {"file": file, "name": name},
                                  headers=headers)  # fmt: skip

    first, again = send("a.jpg"), send("a.jpg")
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    assert organization.datasets.get().datapoints.count() == 1
    told(send("b.jpg"), 409, "conflict")


def test_an_idempotency_key_has_an_end(caller: Caller) -> None:
    told(caller.post("/datasets", {"name": "x"}, Idempotency_Key="k" * 101), 422, "invalid")


def test_a_stale_save_is_refused_with_the_newer_revision(caller: Caller, loop: Loop) -> None:
    loop.send(1)
    (task,) = caller.post(f"/projects/{loop.project.uid}/stages/LABEL/tasks/next", {"count": 1}).json()["items"]
    work = {"labels": [{"category": 0, "bbox": [0, 0, 1, 1]}], "revision": task["revision"], "seconds": 2}
    saved = caller.post(f"/tasks/{task['taskId']}/save", work).json()
    assert saved["revision"] == task["revision"] + 1
    for verb in ("save", "submit"):
        body = told(caller.post(f"/tasks/{task['taskId']}/{verb}", work), 409, "conflict")
        assert {each["field"]: each["message"] for each in body["errors"]}["revision"] == str(saved["revision"])
    assert caller.get(f"/tasks/{task['taskId']}").json()["labels"][0]["bbox"] == [0, 0, 1, 1]
    work["revision"] = saved["revision"]
    assert caller.post(f"/tasks/{task['taskId']}/submit", work).json()["state"] == "done"


def test_comments_are_kept_read_and_resolved(caller: Caller, loop: Loop) -> None:
    loop.send(1)
    (task,) = caller.post(f"/projects/{loop.project.uid}/stages/LABEL/tasks/next", {"count": 1}).json()["items"]
    made = caller.post(f"/tasks/{task['taskId']}/comments", {"text": "A truck?"}).json()
    assert (made["stage"], made["resolved_at"]) == ("LABEL", None)
    assert caller.post(f"/tasks/{task['taskId']}/comments/{made['id']}/resolve").json()["resolved_at"]
    assert [row["text"] for row in caller.get(f"/tasks/{task['taskId']}/comments").json()["items"]] == ["A truck?"]
    assert Comment.objects.get().resolved_at is not None


def test_the_stages_settings_are_read_and_set(caller: Caller, loop: Loop) -> None:
    path = f"/projects/{loop.project.uid}/stages/ACTIVE_LEARNING"
    assert caller.get(path).json()["config"]["learner"] == "winnow"
    assert caller.send("PATCH", path, {"config": {"learner": "external"}}).json()["config"]["learner"] == "external"
    body = told(caller.send("PATCH", path, {"config": {"learner": "magic", "nothing": 1}}), 422, "invalid")
    assert {each["field"] for each in body["errors"]} == {"learner", "nothing"}


def test_members_are_invited_changed_and_removed(caller: Caller, labeler: User, organization: Organization) -> None:
    sent = caller.post("/invitations", {"email": "new@example.com", "role": "ADMIN"}).json()
    assert [row["email"] for row in caller.get("/invitations").json()["items"]] == ["new@example.com"]
    assert caller.send("DELETE", f"/invitations/{sent['id']}").status_code == 204
    assert caller.get("/invitations").json()["items"] == []
    told(caller.post("/invitations", {"email": "nobody", "role": "KING"}), 422, "invalid")
    members = {row["email"]: row["id"] for row in caller.get("/members").json()["items"]}
    path = f"/members/{members[labeler.email]}"
    assert caller.send("PATCH", path, {"role": "ADMIN"}).json()["role"] == "ADMIN"
    assert caller.send("DELETE", path).status_code == 204
    assert not organization.memberships.filter(user=labeler).exists()
    told(caller.send("DELETE", f"/members/{members['owner@example.com']}"), 409, "conflict")


def test_keys_of_a_storage_method_go_in_and_never_come_out(caller: Caller) -> None:
    body = {
        "provider": "AWS_S3", "name": "Bucket", "bucket": "images", "region": "us-east-1",
        "access_key": "the-access-key", "secret_key": "the-secret-key",
    }  # fmt: skip
    made = caller.post("/storage-methods", body)
    assert made.status_code == 201
    told(caller.post("/storage-methods", body | {"name": "Half", "secret_key": ""}), 422, "invalid")
    for answer in (made, caller.get("/storage-methods"), caller.get(f"/storage-methods/{made.json()['id']}")):
        assert b"the-access-key" not in answer.content and b"the-secret-key" not in answer.content
    assert caller.send("DELETE", f"/storage-methods/{made.json()['id']}").status_code == 204


def test_an_items_list_and_a_series_of_uploads_are_imports(caller: Caller, organization: Organization) -> None:
    caller.post("/storage-methods", {"provider": "PUBLIC", "name": "Web"})
    dataset = caller.post("/datasets", {"name": "cells"}).json()["id"]
    items = [{"url": "https://example.com/a.jpg"}]
    listed = caller.post(f"/datasets/{dataset}/imports/items-list", {"storage_method": "Web", "items": items})
    assert listed.status_code == 202 and listed.json()["run"]["kind"] == "import"
    told(caller.post(f"/datasets/{dataset}/imports/items-list", {"storage_method": "?", "items": items}), 422,
         "invalid")  # fmt: skip
    file = io.BytesIO(b'[{"url": "https://example.com/b.jpg"}]')
    sent = caller.upload(f"/datasets/{dataset}/imports/items-file", {"file": file, "storage_method": "Web"})
    assert sent.status_code == 202, sent.content
    series = caller.post(f"/datasets/{dataset}/imports/uploads").json()["id"]
    for name in ("a.jpg", "a.jpg"):
        fields = {"file": SimpleUploadedFile(name, make_picture()), "import_id": series}
        last = caller.upload(f"/datasets/{dataset}/datapoints", fields)
    told(last, 422, "invalid")
    row = caller.get(f"/imports/{series}").json()
    assert (row["created"], row["failed"], row["run"]) == (1, 1, None)
    assert "of this name already" in caller.get(f"/imports/{series}/failures").json()["items"][0]["reason"]
    assert caller.post(f"/imports/{series}/undo").json()["run"]["kind"] == "undo-import"


def test_a_project_is_made_from_the_json_of_its_pipeline(caller: Caller, loop: Loop) -> None:
    caller.post("/labelsets", {"name": "Other", "taxonomy": "Colors"})
    stages: list[dict[str, Any]] = [
        {"brickName": "dataset-input", "stageName": "INPUT", "stageConfig": {"dataset": "Pictures"},
         "routing": {"next": "LABEL"}},
        {"brickName": "manual-labeling", "stageName": "LABEL", "stageConfig": {"taxonomy": "Colors"},
         "routing": {"next": "OUTPUT"}},
        {"brickName": "labelset-output", "stageName": "OUTPUT", "stageConfig": {"labelset": "Other"}},
    ]  # fmt: skip
    assert caller.post("/projects", {"name": "By hand", "stages": stages}).status_code == 201
    stages[1]["routing"] = {"next": "NOWHERE"}
    body = told(caller.post("/projects", {"name": "Broken", "stages": stages}), 422, "invalid")
    assert "LABEL" in {each["field"] for each in body["errors"]}


def test_the_documentation_comes_from_this_server_alone(client: Client) -> None:
    page = client.get("/api/v1/docs").content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(each.endswith(".js") for each in loaded)
    assert all(each.startswith("/static/") for each in loaded), loaded
    assert not re.search(r"<script(?![^>]*(?:src=|application/json))", page), "the policy lets no inline script run"


def test_every_body_of_the_documentation_has_an_example() -> None:
    document = api.get_openapi_schema()
    without = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                named = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
                schema = document["components"]["schemas"].get(named, content.get("schema", {}))
                if media != "multipart/form-data" and not (schema.get("examples") or content.get("example")):
                    without.append(f"{method} {path}")
    assert without == []


@pytest.mark.parametrize(("kind", "more"), [("datasets", {}), ("labelsets", {"taxonomy": "blood"})])
def test_what_an_edit_leaves_out_stays_as_it_is(caller: Caller, kind: str, more: dict[str, str]) -> None:
    assert caller.post("/taxonomies", {"name": "blood", "categories": [{"name": "RBC"}]}).status_code == 201
    made = caller.post(f"/{kind}", {"name": "old", "description": "One week in March."} | more).json()
    renamed = caller.send("PATCH", f"/{kind}/{made['id']}", {"name": "new"}).json()
    assert (renamed["name"], renamed["description"]) == ("new", "One week in March.")
    told = caller.send("PATCH", f"/{kind}/{made['id']}", {"description": ""}).json()
    assert (told["name"], told["description"]) == ("new", "")
