"""Automatic mode runs a project to its end: a real sweeper decides, a real worker trains, people only label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.accounts.models import Organization, User
from apps.autolabel.models import Cycle
from apps.autolabel.state import active_run, learner_of, training_set
from apps.labeling.models import Annotation, Batch
from config.processes import wait_until
from tests.autolabel.loop import Loop, make_loop
from tests.browser.conftest import Console
from tests.conftest import WorkerProcess
from tests.faults.conftest import Sweeper

IMAGES, STOCK, TRAIN_AFTER = 32, 8, 8
SECONDS = 600
LogIn = Callable[[User], None]


@pytest.fixture
def sweeper(transactional_db: None, tmp_path: Path) -> Iterator[Callable[[], Sweeper]]:
    started: list[Sweeper] = []

    def start() -> Sweeper:
        started.append(Sweeper(tmp_path / "sweeper.log"))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def turn_on(page: Page, url: str) -> None:
    page.goto(url)
    card = page.locator("#ACTIVE_LEARNING")
    card.get_by_label("Automatic mode").check()
    card.get_by_label("Train after new labels").fill(str(TRAIN_AFTER))
    card.get_by_label("Keep tasks ready to label").fill(str(STOCK))
    card.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings of ACTIVE_LEARNING are saved.")).to_be_visible()


def label_what_comes(loop: Loop) -> None:
    """Label whatever is sent, until everything is labeled; what comes and what is learned from it others decide."""
    while (said := Annotation.objects.count()) < IMAGES:
        assert wait_until(lambda: loop.count("LABEL", "waiting") > 0 and not active_run(loop.stage()), SECONDS)
        assert loop.label(), "A batch that was sent can be labeled."
        assert Annotation.objects.count() > said


def is_at_rest(loop: Loop) -> bool:
    """Nothing runs, and nothing that has been labeled waits to be learned from."""
    stage = loop.stage()
    return active_run(stage) is None and training_set(stage, learner_of(stage).current).new < TRAIN_AFTER


@pytest.mark.usefixtures("nothing_is_stale")
@pytest.mark.django_db(transaction=True)
def test_automatic_mode_runs_a_project_to_the_end(
    page: Page,
    console: Console,
    live_url: str,
    logged_in: LogIn,
    organization: Organization,
    owner: User,
    start_worker: Callable[..., WorkerProcess],
    sweeper: Callable[[], Sweeper],
    screenshot_folder: Path,
) -> None:
    loop = make_loop(organization, owner, IMAGES)
    dashboard = live_url + reverse("autolabel:dashboard", args=["acme", loop.project.pk, "ACTIVE_LEARNING"])
    logged_in(owner)
    turn_on(page, live_url + reverse("projects:settings", args=["acme", loop.project.pk]))
    page.goto(dashboard)
    expect(page.get_by_text("Automatic mode is on. Nothing has been decided yet.")).to_be_visible()
    start_worker()
    sweeper()
    label_what_comes(loop)
    assert wait_until(lambda: is_at_rest(loop), SECONDS)
    cycles = list(Cycle.objects.order_by("number"))
    assert len(cycles) >= 2 and all(cycle.ended_at and cycle.run and cycle.run.requested_by is None for cycle in cycles)
    assert all(batch.by is None for batch in Batch.objects.all())
    page.goto(dashboard)
    expect(page.get_by_text("Last decision")).to_be_visible()
    expect(page.get_by_label("Progress", exact=True)).to_contain_text("Training cycle")
    page.screenshot(path=screenshot_folder / "automatic-end.png", full_page=True, caret="initial")
    page.get_by_role("link", name="Tasks queue").click()
    expect(page.get_by_text("The queue is empty")).to_be_visible()
    page.goto(dashboard)
    page.get_by_role("button", name="Flush tasks").click()
    expect(page.locator("#flush-preview")).to_contain_text(f"{IMAGES} leave with their labels")
    page.locator("dialog[open]").get_by_role("button", name="Flush", exact=True).click()
    assert wait_until(lambda: loop.labelset.entries.filter(source="human").count() == IMAGES, SECONDS)
    page.goto(live_url + reverse("projects:project", args=["acme", loop.project.pk]))
    expect(page.locator(".donut-total")).to_have_text(str(IMAGES))
