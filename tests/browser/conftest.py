"""A real Chromium that stays on this machine and fails a test on any error in its console."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import request_finished, request_started
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route, expect

from apps.accounts.models import User

# Playwright's synchronous API keeps an event loop in this thread, which Django takes for an async caller.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
)
LOCAL = {"localhost", "127.0.0.1", "::1"}
# A promise is kept or not, however crowded the machine is.
expect.set_options(timeout=60_000)
PATIENCE_MS = 120_000
CUT_OFF = r"htmx:(afterRequest|sendAbort|sendError|afterOnLoad)"
"""What htmx reports of a request that leaving the page, or a newer request, has cut off."""


def chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "No Chromium on the path: install Debian's package chromium, or name one by CHROMIUM=/path."
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    return {**browser_type_launch_args, "executable_path": chromium(), "args": [*QUIET, *sandbox]}


class Console:
    """What went wrong in the pages of a test, but for what the test announced with expect()."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.expected: list[str] = [CUT_OFF]

    def expect(self, pattern: str) -> None:
        """An error that this test provokes, such as "status of 409"."""
        self.expected.append(pattern)

    def watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))

    def unexpected(self) -> list[str]:
        return [text for text in self.problems if not any(re.search(pattern, text) for pattern in self.expected)]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture(autouse=True)
def _watched(context: BrowserContext, console: Console) -> Iterator[None]:
    """Fails a test whose pages logged an error, and stops every request to another machine."""

    def stay_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname in LOCAL:
            route.continue_()
        else:
            console.problems.append(f"left the machine: {route.request.url}")
            route.abort()

    context.set_default_timeout(PATIENCE_MS)
    context.route(re.compile(r"^https?://"), stay_here)
    context.on("page", console.watch)
    yield
    assert console.unexpected() == []


class Answering:
    """The requests that the live server is at work on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: set[int] = set()

    def on_started(self, **_: object) -> None:
        with self._changed:
            self._threads.add(threading.get_ident())

    def on_finished(self, **_: object) -> None:
        with self._changed:
            self._threads.discard(threading.get_ident())
            self._changed.notify_all()

    def wait_until_idle(self, seconds: float = 30) -> bool:
        """Forgets this thread: a test's own client runs in it, and may leave its responses open."""
        with self._changed:
            self._threads.discard(threading.get_ident())
            return self._changed.wait_for(lambda: not self._threads, seconds)


@pytest.fixture
def live_url(live_server: Any, transactional_db: None, context: BrowserContext) -> Iterator[str]:
    """The address of the server; all that its pages have asked for is answered before the tables are emptied."""
    answering = Answering()
    request_started.connect(answering.on_started, weak=False)
    request_finished.connect(answering.on_finished, weak=False)
    yield str(live_server.url)
    for page in context.pages:
        page.goto("about:blank")
        page.wait_for_timeout(100)  # what a page sends as it is left is on its way
    assert answering.wait_until_idle(), "The server has not answered what a page asked for."
    request_started.disconnect(answering.on_started)
    request_finished.disconnect(answering.on_finished)


@pytest.fixture
def logged_in(context: BrowserContext, live_url: str) -> Callable[[User], None]:
    """logged_in(owner): the browser's context carries that user's session."""

    def log_in(user: User) -> None:
        client = Client()
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        assert SessionStore(session_key=session).exists(session)
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_url}])

    return log_in


@pytest.fixture
def screenshot_folder(tmp_path: Path) -> Path:
    """Where a test puts pictures of its pages: $SCREENSHOTS, else thrown away with the test.

    They are taken with caret="initial": to hide it, Playwright writes style attributes, and htmx carries those over to
    what it swaps in meanwhile, which the pages' policy forbids.
    """
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
