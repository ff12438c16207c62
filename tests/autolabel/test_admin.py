"""Promises of the four actions in the admin."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.autolabel import services, state
from apps.common.models import Run
from apps.labeling.models import Batch
from tests.autolabel.loop import Loop

ClientOf = Callable[[User], Client]
LIST = "admin:autolabel_learningstage_changelist"


@pytest.fixture
def staff(db: None, client_of: ClientOf) -> Client:
    return client_of(User.objects.create_superuser("staff@example.com", "correct horse battery"))


def post(client: Client, loop: Loop, action: str, **more: object) -> str:
    data = {"action": action, "_selected_action": loop.stage().pk, **more}
    return client.post(reverse(LIST), data, follow=True).content.decode()


def test_only_staff_gets_to_the_list(loop: Loop, staff: Client, client_of: ClientOf) -> None:
    assert client_of(loop.user).get(reverse(LIST)).status_code == 302
    page = staff.get(reverse(LIST)).content.decode()
    assert "ACTIVE_LEARNING" in page and "LABEL</a>" not in page


@pytest.mark.parametrize("action", ["send_batch", "trigger_cycle", "cancel", "flush_tasks"])
def test_every_action_asks_first(loop: Loop, staff: Client, action: str) -> None:
    page = post(staff, loop, action)
    assert "No, take me back" in page
    assert not Batch.objects.exists() and not Run.objects.filter(kind__in=("cycle", "flush")).exists()


def test_a_batch_is_offered_in_the_size_of_the_stage(loop: Loop, staff: Client) -> None:
    stage = loop.stage()
    stage.config = {**stage.config, "batch_size": 7}
    stage.save()
    page = post(staff, loop, "send_batch")
    assert 'value="7"' in page and "The top of the queue goes to be labeled." in page


def test_a_confirmed_batch_is_sent_once(loop: Loop, staff: Client) -> None:
    key = uuid.uuid4()
    for _ in range(2):
        page = post(staff, loop, "send_batch", confirmed="yes", size=5, key=key)
    assert "batch 1 of 5 images and 0 audits is sent" in page
    assert Batch.objects.count() == 1


def test_a_refused_action_says_why(loop: Loop, staff: Client) -> None:
    page = post(staff, loop, "trigger_cycle", confirmed="yes", key=uuid.uuid4())
    assert "10 more labeled images with a box needed" in page
    assert "Nothing is running" in post(staff, loop, "cancel", confirmed="yes", key=uuid.uuid4())


def test_trigger_cancel_and_flush_act(loop: Loop, staff: Client) -> None:
    loop.send(24)
    loop.label()
    assert "cycle 1 is triggered" in post(staff, loop, "trigger_cycle", confirmed="yes", key=uuid.uuid4())
    assert "the cycle is canceled" in post(staff, loop, "cancel", confirmed="yes", key=uuid.uuid4())
    page = post(staff, loop, "flush_tasks", confirmed="yes", threshold=0, key=uuid.uuid4())
    assert "a flush of 24 images has begun" in page
    run = state.active_run(loop.stage())
    assert run is not None and run.kind == services.FLUSH


def test_a_wrong_size_is_asked_again(loop: Loop, staff: Client) -> None:
    page = post(staff, loop, "send_batch", confirmed="yes", size=0, key=uuid.uuid4())
    assert "greater than or equal to 1" in page and not Batch.objects.exists()
