"""A long job as somebody watches it: it moves by itself, can be canceled meanwhile, and falls silent at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Request, Route, expect

from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.models import Run
from tests.common.test_runs import make_run, started

LogIn = Callable[[User], None]


def watched(page: Page) -> list[str]:
    """The polls that the page sends, and the ends that it is told of."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if "part=progress" in request.url:
            seen.append("poll")

    page.on("request", note)
    page.evaluate("document.body.addEventListener('run:ended', (event) => { window.ended = event.detail.status; })")
    return seen


def test_a_run_is_watched_to_its_end(
    page: Page, live_url: str, logged_in: LogIn, owner: User, organization: Organization, screenshot_folder: Path
) -> None:
    handle = started(make_run(organization))
    handle.progress(10, 100, "training")
    logged_in(owner)
    page.goto(live_url + handle.run.get_absolute_url())
    seen = watched(page)
    expect(page.get_by_text("10 of 100")).to_be_visible()
    page.screenshot(path=screenshot_folder / "run-running.png", caret="initial")
    handle.progress(60, 100, "predicting")
    expect(page.get_by_text("Predicting")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "60")
    handle.fail("The image cats/17.jpg cannot be read: it is cut off in the middle.")
    expect(page.get_by_role("alert").filter(has_text="cats/17.jpg")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert page.evaluate("window.ended") == "failed"
    page.screenshot(path=screenshot_folder / "run-failed.png", caret="initial")
    assert len(seen) >= 2
    expect(page.locator("[hx-trigger]")).to_have_count(0)


def test_a_question_stays_open_while_the_run_moves_on(
    page: Page, live_url: str, logged_in: LogIn, owner: User, organization: Organization
) -> None:
    handle = started(make_run(organization))
    handle.progress(10, 100, "training")
    logged_in(owner)
    page.goto(live_url + handle.run.get_absolute_url())
    watched(page)
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What is unfinished is not used")
    handle.progress(50, 100, "predicting")
    expect(page.get_by_text("50 of 100")).to_be_visible()
    dialog.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_text("Canceled by Owner.")).to_be_visible()
    assert Run.objects.get(pk=handle.run.pk).status == "canceled"
    assert page.evaluate("window.ended") == "canceled"
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()


def test_news_of_a_run_that_come_after_it_was_canceled_change_nothing(
    page: Page, live_url: str, logged_in: LogIn, owner: User, organization: Organization
) -> None:
    handle = started(make_run(organization))
    logged_in(owner)
    page.goto(live_url + handle.run.get_absolute_url())
    held: list[Route] = []
    page.route("**/*part=progress", lambda route: held.append(route), times=1)
    with page.expect_request("**/*part=progress"):
        pass
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(page.get_by_text("Canceled by Owner.")).to_be_visible()
    with page.expect_response("**/*part=progress") as late:
        held[0].continue_()
    late.value.finished()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()


def test_the_list_of_jobs_leads_to_each(
    page: Page, live_url: str, logged_in: LogIn, owner: User, organization: Organization, screenshot_folder: Path
) -> None:
    for number in range(5):
        handle = started(make_run(organization))
        handle.progress(number * 1000, 5000, "predicting")
        if number % 2:
            handle.finish()
    runs.cancel(make_run(organization), owner)
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/runs/")
    page.screenshot(path=screenshot_folder / "runs.png", caret="initial")
    page.get_by_role("link", name="Steps").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Steps")
    expect(page.get_by_text("Canceled by Owner.")).to_be_visible()
