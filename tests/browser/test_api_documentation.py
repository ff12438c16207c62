"""The page that lists the API's operations, in a real browser: nothing of it comes from another machine."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def test_the_documentation_lists_the_operations(page: Page, live_url: str) -> None:
    page.goto(f"{live_url}/api/v1/docs")
    expect(page.locator("[id^=operations-Runs]").first).to_be_visible(timeout=30_000)
