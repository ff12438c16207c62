"""The browser of the tests is real and strict."""

import pytest


def test_an_error_in_the_console_is_noticed(page, console):
    page.goto("about:blank")
    page.evaluate("console.error('broken')")
    assert console.unexpected() == ["console: broken ()"]
    console.expect("broken")


def test_a_request_to_another_machine_is_stopped_and_noticed(page, console):
    page.goto("about:blank")
    with pytest.raises(Exception, match="Failed to fetch"):
        page.evaluate("fetch('https://example.com/')")
    assert "left the machine: https://example.com/" in console.problems
    console.expect("example.com|ERR_FAILED")


def test_the_login_page_opens(page, live_url):
    page.goto(f"{live_url}/accounts/login/")
    assert page.get_by_role("button", name="Log in").is_visible()
