"""Promises of the stage's pages: who may see and do what, and what they say."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.autolabel import automatic, services, state
from apps.autolabel.models import Learner, Prediction
from apps.common.models import Run, RunStatus
from apps.labeling.models import Batch
from tests.autolabel.loop import Loop, perform

GETS = ["dashboard", "queue", "training", "preview", "accept-preview"]
POSTS = ["send", "trigger", "flush", "check", "accept", "send-marked"]
ClientOf = Callable[[User], Client]


def url(loop: Loop, name: str, *more: object) -> str:
    return reverse(f"autolabel:{name}", args=["acme", loop.project.pk, "ACTIVE_LEARNING", *more])


def every_address(loop: Loop) -> list[tuple[str, str]]:
    found = [("get", url(loop, name)) for name in GETS] + [("post", url(loop, name)) for name in POSTS]
    found += [("post", url(loop, "recall", 1)), ("post", url(loop, "revert", uuid.uuid4()))]
    return [*found, ("get", url(loop, "model", 1)), ("get", url(loop, "bundle", 1))]


def test_a_stranger_gets_404_everywhere(loop: Loop, stranger: User, client_of: ClientOf) -> None:
    client = client_of(stranger)
    for method, address in every_address(loop):
        assert getattr(client, method)(address).status_code == 404, address


def test_a_labeler_is_refused_everywhere(loop: Loop, labeler: User, client_of: ClientOf) -> None:
    client = client_of(labeler)
    for method, address in every_address(loop):
        assert getattr(client, method)(address).status_code == 403, address


def test_nobody_gets_in_without_logging_in(loop: Loop) -> None:
    for method, address in every_address(loop):
        assert getattr(Client(), method)(address).status_code == 302, address


def test_a_stage_of_another_brick_has_no_dashboard(loop: Loop, client_of: ClientOf) -> None:
    client = client_of(loop.user)
    assert client.get(reverse("autolabel:dashboard", args=["acme", loop.project.pk, "LABEL"])).status_code == 404


def test_a_new_stage_says_what_to_do_first(loop: Loop, admin: User, client_of: ClientOf) -> None:
    page = client_of(admin).get(url(loop, "dashboard")).content.decode()
    assert "10 more labeled images with a box needed" in page
    assert page.count("disabled") == 2  # trigger and flush; the queue can be sent


def test_send_trigger_and_flush_from_the_pages(loop: Loop, client_of: ClientOf) -> None:
    client = client_of(loop.user)
    sent = client.post(url(loop, "send"), {"size": 24, "key": uuid.uuid4()}, follow=True)
    assert "Batch 1 is sent: 24 images." in sent.content.decode()
    loop.label()
    client.post(url(loop, "trigger"), {"key": uuid.uuid4()})
    running = client.get(url(loop, "dashboard")).content.decode()
    assert "A cycle is running." in running and "Waiting for a worker" in running
    services.cancel(loop.stage(), by=loop.user)
    answer = client.post(url(loop, "flush"), {"threshold": 0, "key": uuid.uuid4()})
    assert answer.status_code == 302
    assert perform(Run.objects.get(kind="flush")).status == RunStatus.DONE


def test_a_form_sent_twice_acts_once(loop: Loop, client_of: ClientOf) -> None:
    client, key = client_of(loop.user), uuid.uuid4()
    for _ in range(2):
        assert client.post(url(loop, "send"), {"size": 5, "key": key}).status_code == 302
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("data", [{"size": "0"}, {"size": "many"}, {"size": "5", "key": "x"}, {}])
def test_a_wrong_batch_size_is_422_and_nothing_is_sent(loop: Loop, client_of: ClientOf, data: dict[str, str]) -> None:
    answer = client_of(loop.user).post(url(loop, "send"), {"key": str(uuid.uuid4())} | data)
    assert answer.status_code == 422 and "data-open" in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("threshold", ["-1", "101", "nan", "high", ""])
def test_a_wrong_threshold_is_422(loop: Loop, client_of: ClientOf, threshold: str) -> None:
    client = client_of(loop.user)
    assert client.post(url(loop, "flush"), {"threshold": threshold, "key": uuid.uuid4()}).status_code == 422
    assert client.get(url(loop, "preview"), {"threshold": threshold}).status_code == 422


def test_a_refused_trigger_says_how_many_labels_are_missing(loop: Loop, client_of: ClientOf) -> None:
    answer = client_of(loop.user).post(url(loop, "trigger"), {"key": uuid.uuid4()})
    assert answer.status_code == 409
    assert "10 more labeled images with a box needed before a cycle" in answer.content.decode()


def test_after_a_cycle_the_dashboard_shows_its_figures(trained: Loop, client_of: ClientOf) -> None:
    page = client_of(trained.user).get(url(trained, "dashboard")).content.decode()
    cycle = Learner.objects.get().current
    assert cycle is not None and cycle.mean_confidence is not None
    assert f"{cycle.mean_confidence:.2f}" in page
    assert "Mean confidence" in page and "Percent labeled" in page
    assert "4 held-out images, a figure from 10 on" in page
    assert "Nothing was labeled since cycle 1. Train again all the same?" in page


def test_the_preview_says_what_leaves_and_what_stays(trained: Loop, client_of: ClientOf) -> None:
    confidences = sorted(Prediction.objects.values_list("confidence", flat=True))
    percent = round(100 * confidences[8])
    preview = client_of(trained.user).get(url(trained, "preview"), {"threshold": percent}).content.decode()
    found = state.flushable(trained.stage(), Learner.objects.get().current, percent / 100)
    assert "24 leave with their labels" in preview
    assert f"{found.auto} leave with auto-labels" in preview
    assert f"{found.below} below the threshold, 0 without a prediction" in preview


def test_the_queue_page_is_in_the_order_of_the_queue(trained: Loop, client_of: ClientOf) -> None:
    page = client_of(trained.user).get(url(trained, "queue")).content.decode()
    names = list(Prediction.objects.order_by("rank").values_list("task__datapoint__name", flat=True))
    places = [page.index(name) for name in names]
    assert len(places) == 16 and places == sorted(places)


def test_the_queue_comes_in_pages(loop: Loop, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.autolabel.queue_views.A_PAGE", 15)
    client, seen, address = client_of(loop.user), 0, url(loop, "queue")
    while address:
        answer = client.get(address)
        seen += len(answer.context["rows"])
        query = answer.context["following"]
        address = f"{url(loop, 'queue')}?after={query}&shown={seen}" if query else ""
    assert seen == 40


def test_auto_labels_are_accepted_and_taken_back_from_the_queue(trained: Loop, client_of: ClientOf) -> None:
    client = client_of(trained.user)
    shown = client.get(url(trained, "accept-preview"), {"threshold": 0}).content.decode()
    assert "16 auto-labels leave for the labelset" in shown and shown.count('class="boxed"') == 8
    client.post(url(trained, "accept"), {"threshold": 0, "key": uuid.uuid4()})
    flushed = perform(Run.objects.get(kind="flush"))
    assert "Accepted in bulk" in client.get(url(trained, "queue")).content.decode()
    client.post(url(trained, "revert", flushed.uid), {"key": uuid.uuid4()})
    assert perform(Run.objects.get(kind="revert")).result == {"reverted": 16}
    assert "16 taken back" in client.get(url(trained, "queue")).content.decode()


def test_marked_images_are_sent_and_nothing_marked_is_said(trained: Loop, client_of: ClientOf) -> None:
    client = client_of(trained.user)
    nothing = client.post(url(trained, "send-marked"), {"key": uuid.uuid4()}, follow=True).content.decode()
    assert "Mark the images first." in nothing
    uids = list(Prediction.objects.values_list("task__uid", flat=True)[:2])
    sent = client.post(url(trained, "send-marked"), {"key": uuid.uuid4(), "tasks": uids}, follow=True)
    assert "Batch 2 is sent: 2 images." in sent.content.decode()


def test_what_automatic_mode_decided_last_is_shown(loop: Loop, client_of: ClientOf) -> None:
    stage = loop.stage()
    stage.config |= {"automatic": True, "keep_stocked": 4}
    stage.save(update_fields=["config"])
    automatic.decide_all()
    page = client_of(loop.user).get(url(loop, "dashboard")).content.decode()
    assert "Automatic mode is on." in page and "Sent batch 1: 0 of 4 tasks were ready to label." in page


def test_the_histogram_sets_off_what_would_leave(trained: Loop, client_of: ClientOf) -> None:
    client = client_of(trained.user)
    drawn = client.get(url(trained, "preview"), {"threshold": 50, "drawn": 1}).content.decode()
    assert 'class="bar muted"' in drawn and "stay" in drawn.lower()
    assert "<svg" not in client.get(url(trained, "preview"), {"threshold": 50}).content.decode()


def test_the_training_page_lists_cycles_batches_and_labels(trained: Loop, client_of: ClientOf) -> None:
    trained.send(3)
    page = client_of(trained.user).get(url(trained, "training")).content.decode()
    assert page.count('warning">held out</span>') == 4
    assert "Recall 6" in page and "cycles/1/model/" in page


def test_a_batch_is_recalled_from_the_page(loop: Loop, client_of: ClientOf) -> None:
    loop.send(5)
    answer = client_of(loop.user).post(url(loop, "recall", 1), follow=True)
    assert "5 images of batch 1 are back in the queue." in answer.content.decode()
    assert loop.count("ACTIVE_LEARNING", "waiting") == 40


def test_a_model_can_be_downloaded_and_one_that_is_not_there_is_404(trained: Loop, client_of: ClientOf) -> None:
    client = client_of(trained.user)
    answer = client.get(url(trained, "model", 1))
    assert answer.status_code == 200 and len(b"".join(answer.streaming_content)) > 100_000  # type: ignore[attr-defined]
    assert client.get(url(trained, "model", 2)).status_code == 404


def test_a_failed_cycle_shows_its_error_and_can_be_tried_again(loop: Loop, client_of: ClientOf) -> None:
    loop.send(24)
    loop.label()
    cycle = services.trigger_cycle(loop.stage(), by=loop.user)
    Run.objects.filter(pk=cycle.run_id).update(status="failed", error="The disk is full.", ended_at="2026-01-01T00:00Z")
    page = client_of(loop.user).get(url(loop, "dashboard")).content.decode()
    assert "The disk is full." in page and "Try again" in page
