"""Promises of the external learner's door over HTTP, and of what a labeler's key never gets to see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.api.urls import api
from apps.autolabel.models import Cycle
from apps.labeling.models import Prelabel, Task
from apps.projects.services import configure_stage
from tests.api.conftest import Caller
from tests.autolabel.loop import Loop, perform

pytestmark = pytest.mark.django_db
# Made here: it takes longer than the transaction of a job, in which a test goes on, may stand idle.
PATHS = api.get_openapi_schema()["paths"]


@pytest.fixture
def loop(loop: Loop) -> Loop:
    configure_stage(stage=loop.stage(), config={"learner": "external"})
    loop.send(24)
    loop.label()
    return loop


@pytest.fixture
def door(loop: Loop) -> str:
    return f"/projects/{loop.project.uid}/stages/ACTIVE_LEARNING/learning"


def every(caller: Caller, path: str) -> list[dict[str, Any]]:
    """A list read to its end, a few at a time."""
    found, after = [], None
    while True:
        page = caller.get(path, limit=7, **({"after": after} if after else {})).json()
        found += page["items"]
        if (after := page["next"]) is None:
            return found


def lines(*predictions: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in predictions)


def predict_all(caller: Caller, door: str) -> Any:
    """A whole cycle by HTTP alone."""
    caller.post(f"{door}/cycles", {})
    number = caller.get(f"{door}/external").json()["cycle"]
    rows = every(caller, f"{door}/external/cycles/{number}/unlabeled")
    box = {"category": 0, "bbox": [0.111111, 0.222222, 0.3, 0.4], "confidence": 0.777}
    body = lines(*({"taskId": row["taskId"], "labels": [box]} for row in rows))
    return caller.stream(f"{door}/external/cycles/{number}/predictions", body)


def test_a_cycle_is_read_predicted_and_closed(caller: Caller, door: str, loop: Loop) -> None:
    assert caller.get(f"{door}/external").status_code == 409
    run = caller.post(f"{door}/cycles", {}).json()
    info = caller.get(f"{door}/external").json()
    assert (info["cycle"], info["labeled"], info["unlabeled"], info["predicted"]) == (1, 20, 20, 0)
    (root,) = info["taxonomy"]["categories"]
    assert [each["name"] for each in root["children"]] == ["red", "blue"]
    labeled = every(caller, f"{door}/external/cycles/1/labeled")
    assert len(labeled) == 20 and all(row["itemsPresigned"] for row in labeled)
    assert {tuple(label["category"][0]) for row in labeled for label in row["labels"]} <= {
        ("object", "red"), ("object", "blue"),
    }  # fmt: skip
    unlabeled = every(caller, f"{door}/external/cycles/1/unlabeled")
    assert len(unlabeled) == 20 and not any("labels" in row for row in unlabeled)
    body = lines(*({"taskId": row["taskId"], "labels": [], "score": 0.4} for row in unlabeled))
    assert caller.stream(f"{door}/external/cycles/1/predictions", body).json() == {
        "accepted": 20, "ignored": 0, "failed": 0, "errors": [],
    }  # fmt: skip
    assert every(caller, f"{door}/external/cycles/1/unlabeled") == []
    assert caller.post(f"{door}/external/cycles/1/close").json()["uid"] == run["uid"]
    assert perform(Cycle.objects.get().run).status == "done"
    assert caller.get(door).json()["cycle"] == 1
    assert caller.get(f"{door}/cycles").json()["items"][0]["is_external"] is True
    assert caller.post(f"{door}/external/cycles/1/close").status_code == 409


def test_what_left_the_queue_is_counted_as_neither_unlabeled_nor_predicted(
    caller: Caller, door: str, loop: Loop
) -> None:
    predict_all(caller, door)
    loop.send(8)
    info = caller.get(f"{door}/external").json()
    assert info["unlabeled"] == info["predicted"] < 20


def test_a_line_that_is_wrong_is_named_and_the_others_are_kept(caller: Caller, door: str) -> None:
    caller.post(f"{door}/cycles", {})
    rows = every(caller, f"{door}/external/cycles/1/unlabeled")
    body = lines({"taskId": rows[0]["taskId"], "labels": []}, {"taskId": "?"}) + b"\n" + b"x" * 5 * 2**20
    came = caller.stream(f"{door}/external/cycles/1/predictions", body).json()
    assert (came["accepted"], came["failed"]) == (1, 2)
    assert [(each["position"], each["message"][:20]) for each in came["errors"]] == [
        (1, "taskId must be the i"), (2, "The line is longer t"),
    ]  # fmt: skip


def test_predictions_come_as_lines_or_not_at_all(caller: Caller, door: str) -> None:
    caller.post(f"{door}/cycles", {})
    refused = caller.post(f"{door}/external/cycles/1/predictions", [{"taskId": "x"}])
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


def test_a_labelers_key_opens_no_part_of_the_door(
    caller_of: Callable[[User], Caller], labeler: User, door: str
) -> None:
    key = caller_of(labeler)
    for path in ("", "/external", "/external/cycles/1/labeled", "/external/cycles/1/unlabeled", "/queue", "/cycles"):
        assert key.get(f"{door}{path}").status_code == 403
    assert key.stream(f"{door}/external/cycles/1/predictions", b"").status_code == 403


def test_no_labelers_key_sees_what_was_predicted_of_an_audit(
    caller: Caller, caller_of: Callable[[User], Caller], labeler: User, loop: Loop, door: str
) -> None:
    """Every operation that reads is asked for every audit; the frozen prediction is in none of the answers."""
    predict_all(caller, door)
    caller.post(f"{door}/external/cycles/1/close")
    perform(Cycle.objects.get().run)
    assert loop.send(4).audits == 3
    audits = Task.objects.filter(is_audit=True)
    assert Prelabel.objects.filter(task__in=audits).count() == 3
    key = caller_of(labeler)
    taken = key.post(f"/projects/{loop.project.uid}/stages/LABEL/tasks/next", {"count": 50}).json()["items"]
    mine = {task["taskId"]: task for task in taken}
    assert len(mine) == 7 and any(task["prelabels"] for task in taken)
    for audit in audits:
        assert mine[str(audit.uid)]["labels"] == mine[str(audit.uid)]["prelabels"] == []
        for path in _readable(loop, audit):
            answer = key.client.get(path, headers=key._headers())
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert answer.status_code in {200, 302, 403, 404}, path
            assert b"0.111111" not in body and b"0.777" not in body, path
        saved = key.post(f"/tasks/{audit.uid}/save", {"labels": [], "revision": mine[str(audit.uid)]["revision"]})
        assert saved.status_code == 200 and b"0.777" not in saved.content


def _readable(loop: Loop, audit: Task) -> list[str]:
    """The address of every GET operation, about the audit where it asks for a task or an image."""
    ours = {
        "slug": loop.project.organization.slug, "project_id": loop.project.uid, "stage": "LABEL", "number": 1,
        "task_id": audit.uid, "uid": audit.datapoint.uid, "labelset_id": loop.labelset.pk,
        "dataset_id": loop.dataset.pk, "taxonomy_id": loop.labelset.taxonomy_id, "member_id": 1, "storage_id": 1,
        "invitation_id": 1, "import_id": 1, "comment_id": 1,
    }  # fmt: skip
    return [path.format(**ours) for path, operations in PATHS.items() if "get" in operations]
