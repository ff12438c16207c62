"""What comes into a page by itself takes nothing out of anybody's hands: open dialogs, typed words, the focus."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import Organization, User
from tests.autolabel.loop import Loop, make_loop

LogIn = Callable[[User], None]
ENDED = "htmx.trigger(document.body, 'run:ended')"


def drawn(page: Page) -> None:
    """Waits until the page has done what it had to, and shows it."""
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


@pytest.fixture
def loop(transactional_db: None, organization: Organization, owner: User) -> Loop:
    return make_loop(organization, owner, images=6)


def test_an_open_dialog_stays_with_what_was_typed_and_the_news_come_after_it(
    page: Page, live_url: str, logged_in: LogIn, owner: User, loop: Loop
) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/{loop.project.pk}/stages/ACTIVE_LEARNING/autolabel/")
    page.get_by_role("button", name="Send batch").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("spinbutton").fill("3")
    loop.send(2)
    for _ in range(2):
        with page.expect_response(lambda answer: answer.url.endswith("/ACTIVE_LEARNING/autolabel/")) as answer:
            page.evaluate(ENDED)
        answer.value.finished()
        drawn(page)
    expect(dialog.get_by_role("spinbutton")).to_have_value("3")
    expect(dialog).to_contain_text("6 images in the queue")
    with page.expect_response(lambda answer: answer.url.endswith("/ACTIVE_LEARNING/autolabel/")):
        dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Send batch").click()
    expect(page.get_by_role("dialog")).to_contain_text("4 images in the queue")


def test_the_focus_stays_on_its_control(page: Page, live_url: str, logged_in: LogIn, owner: User, loop: Loop) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/{loop.project.pk}/")
    link = page.get_by_role("link", name="Who works on what").first
    link.focus()
    link.evaluate("element => { element.dataset.old = ''; }")
    page.evaluate(ENDED)
    expect(page.locator("[data-old]")).to_have_count(0)
    expect(link).to_be_focused()
