"""Pictures of pages in both widths and themes, and what every page is held to while they are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext

Shoot = Callable[[str, str], None]


@pytest.fixture
def screens(context: BrowserContext, live_url: str, screenshot_folder: Path) -> Shoot:
    """screens(path, name): a picture in both widths and themes; nothing sticks out, nothing fails WCAG AA."""

    def shoot(path: str, name: str) -> None:
        page = context.new_page()
        for width, height in ((1280, 800), (768, 1024)):
            page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.goto(live_url + path)
                page.screenshot(path=screenshot_folder / f"{name}-{width}-{theme}.png", caret="initial")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} at {width}"
                if width < 1280:  # the same page: once is enough for what does not depend on the width
                    continue
                violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
                found = [(v["id"], [n["html"] for n in v["nodes"]]) for v in violations]
                assert not found, f"{name} {theme}: {found}"
        page.close()

    return shoot
