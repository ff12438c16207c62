"""Answers that come late, and clicks that come twice: the page shows what was asked for last and does once what was meant."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from apps.accounts.models import ApiKey, Organization, User
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Import
from tests.autolabel.loop import Loop, make_loop
from tests.browser.test_news import ENDED, drawn
from tests.warehouse.factory import make_datapoint, make_dataset, make_label, make_labelset, make_picture

SECONDS = 60
LogIn = Callable[[User], None]


class Held:
    """Requests to a place, answered but not handed over until they are let go."""

    def __init__(self, page: Page, url: str, times: int = 1) -> None:
        self.page, self.routes = page, list[Route]()
        page.route(url, lambda route: self.routes.append(route), times=times)

    def wait(self, count: int = 1) -> None:
        deadline = time.monotonic() + SECONDS
        while len(self.routes) < count:
            assert time.monotonic() < deadline, "Nothing was asked for."
            self.page.wait_for_timeout(20)

    def let_go(self) -> None:
        self.wait()
        route = self.routes.pop(0)
        with self.page.expect_response(route.request.url) as answer:
            route.continue_()
        answer.value.finished()
        drawn(self.page)


@pytest.fixture
def at_home(page: Page, live_url: str, logged_in: LogIn, owner: User) -> str:
    logged_in(owner)
    return f"{live_url}/o/acme"


def test_what_is_typed_while_the_stage_builder_answers_stays(
    page: Page, at_home: str, organization: Organization
) -> None:
    page.goto(f"{at_home}/projects/new/?as=stages")
    held = Held(page, "**/projects/new/build/")
    page.get_by_label("Add a stage").select_option("manual-labeling")
    page.get_by_role("button", name="Add stage").click()
    held.let_go()
    name = page.locator("#builder").get_by_label("Name").first
    expect(name).to_be_visible()
    held = Held(page, "**/projects/new/build/")
    page.get_by_label("Description").fill("Vehicles")
    page.get_by_label("Description").press("Tab")
    held.wait()
    name.fill("FIRST_LOOK")
    held.let_go()
    expect(name).to_have_value("FIRST_LOOK")
    expect(name).to_be_focused()


def test_a_button_that_is_pressed_while_an_answer_comes_does_what_it_says(page: Page, at_home: str) -> None:
    page.goto(f"{at_home}/projects/new/?as=stages")
    stages = page.locator("#builder .builder-stage")
    before = stages.count()
    held = Held(page, "**/projects/new/build/")
    page.get_by_label("Add a stage").select_option("manual-labeling")
    held.wait()  # choosing has asked already
    page.get_by_role("button", name="Add stage").hover()
    page.mouse.down()
    held.let_go()
    page.mouse.up()
    expect(stages).to_have_count(before + 1)


def test_of_two_entries_asked_for_the_last_one_is_shown(page: Page, at_home: str, organization: Organization) -> None:
    dataset, labelset = make_dataset(organization), make_labelset(organization)
    for count, name in enumerate("abc", 1):
        point = make_datapoint(dataset, f"{name}.jpg", width=320, height=240)
        upsert_entries(labelset.pk, [EntryRow(point.pk, [make_label(0) for _ in range(count)], "human")])
    page.goto(f"{at_home}/labelsets/{labelset.pk}/")
    expect(page.locator(".viewer .box")).to_have_count(1)
    held = Held(page, "**/entries/**")
    page.keyboard.press("ArrowDown")
    held.wait()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(300)  # for an answer that would come before the one that is held
    held.let_go()
    expect(page.locator(".viewer .box")).to_have_count(3)


def test_one_notch_of_the_wheel_zooms_once(page: Page, at_home: str, organization: Organization) -> None:
    point = make_datapoint(make_dataset(organization), "a.jpg", width=320, height=240)
    page.goto(f"{at_home}/datasets/{point.dataset_id}/datapoints/{point.uid}/")
    picture = page.locator(".viewer svg")
    picture.hover()
    page.mouse.wheel(0, -100)
    expect(picture).not_to_have_attribute("viewBox", "0 0 320 240")
    assert picture.evaluate("(svg) => svg.viewBox.baseVal.width") == 256


def test_marks_and_page_stay_when_a_run_ends(
    page: Page, at_home: str, organization: Organization, owner: User, transactional_db: None
) -> None:
    loop: Loop = make_loop(organization, owner, images=60)
    page.goto(f"{at_home}/projects/{loop.project.pk}/stages/ACTIVE_LEARNING/autolabel/queue/")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    boxes = page.locator('input[name="tasks"]')
    expect(boxes).to_have_count(10)
    for place in (1, 4):
        boxes.nth(place).check()
    with page.expect_response("**/queue/?after=*"):
        page.evaluate(ENDED)
    expect(page.get_by_text("2 marked")).to_be_visible()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    assert [place for place in range(10) if boxes.nth(place).is_checked()] == [1, 4]


def test_a_double_click_makes_one_key(page: Page, at_home: str, organization: Organization) -> None:
    page.goto(f"{at_home}/settings/keys/")
    page.get_by_role("button", name="New key").first.click()
    page.get_by_label("Name").fill("Exporter")
    page.get_by_role("button", name="Make the key").dblclick()
    expect(page.get_by_text("Exporter").first).to_be_visible()
    page.wait_for_load_state()
    assert ApiKey.objects.count() == 1


def test_two_drops_at_once_are_one_import(page: Page, at_home: str, organization: Organization, tmp_path: Path) -> None:
    dataset = make_dataset(organization)
    files = [tmp_path / f"{name}.jpg" for name in "ab"]
    for file in files:
        file.write_bytes(make_picture())
    page.goto(f"{at_home}/datasets/{dataset.pk}/upload/")
    held = Held(page, "**/upload/begin/", times=2)
    page.locator("#files").set_input_files(files[:1])
    held.wait()
    page.locator("#files").set_input_files(files[1:])
    page.wait_for_timeout(200)
    while held.routes:
        held.let_go()
    expect(page.locator("#upload")).to_have_attribute("data-state", "done", timeout=30_000)
    expect(page.get_by_text("2 of 2 images are in")).to_be_visible()
    assert Import.objects.get().created == 2
