"""The queue in a browser: auto-labels accepted in bulk and taken back, marked images sent; pictures of the stage's pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.accounts.models import Organization, User
from apps.autolabel.models import Prediction
from apps.common.jobs import execute
from apps.common.models import Run
from apps.labeling.models import Annotation, Batch, Task
from tests.autolabel.loop import Loop, make_loop
from tests.browser.test_projects import shoot

LogIn = Callable[[User], None]
IMAGES, LABELED = 80, 55


@pytest.fixture
def learned(transactional_db: None, organization: Organization, owner: User) -> Loop:
    """After a cycle: eleven images held out, one of them labeled otherwise than predicted, the rest in the queue."""
    loop = make_loop(organization, owner, IMAGES)
    loop.send(LABELED)
    loop.label()
    held_out = Task.objects.filter(in_training_set=True, is_held_out=True).values("annotation").first()
    odd = [{"id": "h0", "category": 1, "bbox": [0.45, 0.45, 0.1, 0.1], "source": "human"}]
    assert held_out and Annotation.objects.filter(pk=held_out["annotation"]).update(labels=odd)
    loop.cycle()
    return loop


@pytest.mark.django_db(transaction=True)
def test_auto_labels_are_accepted_in_bulk_and_taken_back(
    page: Page, live_url: str, logged_in: LogIn, learned: Loop, screenshot_folder: Path
) -> None:
    queued = learned.count("ACTIVE_LEARNING", "waiting")
    args = ["acme", learned.project.pk, "ACTIVE_LEARNING"]
    logged_in(learned.user)
    page.goto(live_url + reverse("autolabel:dashboard", args=args))
    expect(page.get_by_label("Work", exact=True)).to_contain_text("To go by hand")
    expect(page.get_by_label("Precision by class")).to_contain_text("red")
    expect(page.get_by_label("Worst predictions")).to_contain_text("agreement")
    shoot(page, screenshot_folder, "stage-dashboard")
    page.get_by_label("Flushed at a confidence").fill("0")
    expect(page.locator("#looked-at-preview")).to_contain_text(f"{queued} leave with auto-labels")
    page.get_by_role("button", name="Flush tasks").click()
    shoot(page, screenshot_folder, "stage-flush")
    page.get_by_role("button", name="Cancel", exact=True).last.click()
    page.goto(live_url + reverse("autolabel:training", args=args))
    shoot(page, screenshot_folder, "stage-training")
    page.goto(live_url + reverse("autolabel:queue", args=args))
    shoot(page, screenshot_folder, "stage-queue")
    page.get_by_role("button", name="Accept in bulk").click()
    page.get_by_label("Lowest confidence").fill("0")
    expect(page.locator("#accept-preview")).to_contain_text(f"{queued} auto-labels leave for the labelset")
    expect(page.locator("#accept-preview .boxed")).to_have_count(8)
    shoot(page, screenshot_folder, "stage-accept")
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.get_by_text(f"{queued} auto-labels are being accepted.")).to_be_visible()
    execute(Run.objects.get(kind="flush").pk)
    assert learned.labelset.entries.filter(source="model").count() == queued
    expect(page.get_by_text("The queue is empty")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("button", name="Take back").last.click()
    expect(page.get_by_text("The auto-labels are being taken back.")).to_be_visible()
    execute(Run.objects.get(kind="revert").pk)
    expect(page.get_by_text(f"{queued} taken back")).to_be_visible()
    shoot(page, screenshot_folder, "stage-queue-reverted")
    assert not learned.labelset.entries.exists() and learned.count("ACTIVE_LEARNING", "waiting") == queued


@pytest.mark.django_db(transaction=True)
def test_marked_images_are_sent_from_the_queue(page: Page, live_url: str, logged_in: LogIn, learned: Loop) -> None:
    logged_in(learned.user)
    page.goto(live_url + reverse("autolabel:queue", args=["acme", learned.project.pk, "ACTIVE_LEARNING"]))
    ranked = Prediction.objects.filter(task__state="waiting", task__stage=learned.stage()).order_by("rank")
    names = list(ranked.values_list("task__datapoint__name", flat=True))
    for name in (names[0], names[3]):
        page.get_by_label(f"Mark {name}").check()
    expect(page.get_by_text("2 marked")).to_be_visible()
    page.get_by_role("button", name="Send marked to be labeled").click()
    expect(page.get_by_text("is sent: 2 images.")).to_be_visible()
    sent = Batch.objects.order_by("number").last()
    assert sent is not None
    assert list(sent.tasks.order_by("position").values_list("datapoint__name", flat=True)) == [names[0], names[3]]
