"""The shell's modules, called inside a page: what they return, and what the page does with errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User


@pytest.fixture
def call(page: Page, live_url: str) -> Callable[..., Any]:
    """call("filedrop.js", "size", 10): what the module's function returns in the page."""
    page.goto(f"{live_url}/accounts/login/")
    script = "async ([file, name, values]) => (await import('/static/js/' + file))[name](...values)"
    return lambda file, name, *values: page.evaluate(script, [file, name, list(values)])


def test_the_theme_goes_around(call: Callable[..., Any]) -> None:
    assert [call("shell.js", "themeAfter", theme) for theme in ("auto", "light", "dark")] == ["light", "dark", "auto"]


def test_sizes_are_read_easily(call: Callable[..., Any]) -> None:
    assert [call("filedrop.js", "size", n) for n in (0, 999, 1500, 2_340_000)] == ["0 B", "999 B", "1.5 kB", "2.3 MB"]


def test_chosen_files_are_summed_up(call: Callable[..., Any]) -> None:
    one = {"name": "a.jpg", "size": 1500}
    assert call("filedrop.js", "summary", []) == ""
    assert call("filedrop.js", "summary", [one]) == "a.jpg, 1.5 kB"
    assert call("filedrop.js", "summary", [one, one]) == "2 files, 3.0 kB"


def test_a_cookie_is_found_by_its_whole_name(call: Callable[..., Any]) -> None:
    jar = "xcsrftoken=no; csrftoken=a%3Db; other=1"
    assert call("session.js", "cookie", "csrftoken", jar) == "a=b"
    assert call("session.js", "cookie", "token", jar) == ""


def test_every_error_says_what_was_kept(call: Callable[..., Any]) -> None:
    for status in (0, 403, 404, 413, 429, 500, 503):
        sentence = call("requests.js", "sentenceFor", status)
        assert any(word in sentence for word in ("kept", "Nothing was")), sentence


def test_a_failed_fragment_leaves_the_page_and_an_error_with_a_retry(
    page: Page, live_url: str, logged_in: Callable[[User], None], owner: User, console: Any
) -> None:
    console.expect("404")
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/members/")
    page.evaluate("htmx.ajax('GET', '/o/acme/nothing/', '#content')")
    alert = page.get_by_role("alert").filter(has_text="no longer exists")
    expect(alert).to_be_visible()
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)


def test_a_server_out_of_reach_is_told_and_the_page_kept(
    page: Page, live_url: str, logged_in: Callable[[User], None], owner: User, console: Any
) -> None:
    console.expect("ERR_INTERNET_DISCONNECTED|htmx:")
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/members/")
    page.context.set_offline(True)
    page.evaluate("htmx.ajax('GET', '/o/acme/members/', '#content').catch(() => undefined)")
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_have_count(0)


def test_the_sidebar_stays_collapsed(page: Page, live_url: str, logged_in: Callable[[User], None], owner: User) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/")
    width = page.locator("#sidebar").bounding_box()
    page.get_by_role("button", name="Collapse").click()
    page.reload()
    after = page.locator("#sidebar").bounding_box()
    assert width and after and (width["width"], after["width"]) == (220, 56)
    page.locator(".switcher summary").click()
    expect(page.get_by_role("link", name="All organizations")).to_be_visible()


def test_a_menu_in_a_table_is_not_cut_off(
    page: Page, live_url: str, logged_in: Callable[[User], None], owner: User, labeler: User
) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/members/")
    page.get_by_label("More for labeler@example.com").click()
    item = page.get_by_role("button", name="Transfer ownership")
    box = item.bounding_box()
    assert box
    centre = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    on_top = page.evaluate("([x, y]) => document.elementFromPoint(x, y).textContent.trim()", centre)
    assert on_top == "Transfer ownership"
    page.keyboard.press("Escape")
    expect(item).to_be_hidden()
