"""Drives the labeling page as a person does: by mouse, keys and fingers, in pixels of the image."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Page, Request, expect

from apps.accounts.models import User
from apps.labeling.models import Draft
from tests.labeling.workspace_desk import WorkDesk

SECONDS = 60  # a shared machine may be slow; nothing here waits longer than it must
WHOLE = """(({flow, editor}) => flow.task && editor.image?.naturalWidth > 0
    && editor.image.src === new URL(flow.task.image, location.href).href)(document.querySelector("#stage"))"""
AHEAD = """(({flow}) => flow.near().every((task) => flow.images.kept.get(task.id)?.image))
    (document.querySelector("#stage"))"""
SEND = """(({flow, settings}) => { flow?.sync.replay(); if (settings?.timer) settings.send(true); })
    (document.querySelector("#stage") ?? {})"""
JOURNAL = "document.querySelector('#stage').flow.sync.journal.all()"
WRITTEN = f"{JOURNAL}.then(() => true)"  # a read of the journal comes after what is being written to it
BOXES_WRITTEN = f"{JOURNAL}.then((all) => Math.max(0, ...all.map(({{labels}}) => labels?.length ?? 0)))"
Box = tuple[float, float, float, float]


class Workspace:
    """An open labeling page. Where the image lies is read from the layout, not from the editor's own numbers."""

    def __init__(self, page: Page, desk: WorkDesk, live_url: str) -> None:
        self.page, self.desk, self.url = page, desk, live_url + desk.path
        self.stage = page.locator("#stage")
        self.under_way: set[Request] = set()
        page.on("request", lambda request: self.under_way.add(request))
        page.on("requestfinished", lambda request: self.under_way.discard(request))
        page.on("requestfailed", lambda request: self.under_way.discard(request))

    def open(self) -> Workspace:
        self.page.goto(self.url)
        return self.ready()

    def leave(self) -> None:
        """Sends what waits, and waits for what is under way: nothing of this test reaches the next one's tables."""
        if not self.page.is_closed():
            self.page.evaluate(SEND)
            self.until(lambda: not self.under_way)
            self.page.goto("about:blank")

    def ready(self, name: str = "", whole: bool = True) -> Workspace:
        """Waits until a task (of this name) is open and its image is there, not only the small one."""
        if name:
            expect(self.page.locator("#task-name")).to_have_text(name, timeout=SECONDS * 1000)
        expect(self.stage).to_have_attribute("data-task", re.compile(".+"), timeout=SECONDS * 1000)
        if whole:
            self.until(lambda: self.page.evaluate(WHOLE))
        self.stage.focus()
        return self

    def loaded_ahead(self) -> None:
        """Waits for the images of the tasks that come next."""
        self.until(lambda: self.page.evaluate(AHEAD))

    def saved(self) -> None:
        expect(self.page.locator("#state")).to_have_text("Saved")
        self.page.evaluate(WRITTEN)

    def written_down(self, boxes: int) -> None:
        """Waits until this browser's own copy of a task has so many boxes."""
        self.until(lambda: self.page.evaluate(BOXES_WRITTEN) == boxes)

    def saving_done(self) -> None:
        """Waits for the debounced save of a change that was just made."""
        self.until(lambda: self.waiting() == 0)
        self.saved()

    def waiting(self) -> int:
        """How many tasks hold work that the server does not have."""
        found: int = self.page.evaluate("document.querySelector('#stage').flow.sync.waiting.length")
        return found

    def until(self, condition: Callable[[], Any], seconds: float = SECONDS) -> None:
        """Polls: the page's policy forbids the evaluation that wait_for_function needs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "The page did not get there."
            self.page.wait_for_timeout(20)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the image is in the window."""
        rect, width = self.page.evaluate(
            "() => { const i = document.querySelector('#stage > img:not(.coming)'); const r = i.getBoundingClientRect();"
            " return [[r.left, r.top, r.width], i.width]; }"
        )
        scale = rect[2] / width
        return rect[0] + x * scale, rect[1] + y * scale

    def move(self, x: float, y: float) -> None:
        self.page.mouse.move(*self.at(x, y))

    def click(self, x: float, y: float, *modifiers: str) -> None:
        for key in modifiers:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.at(x, y))
        for key in modifiers:
            self.page.keyboard.up(key)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *modifiers: str) -> None:
        self.move(*start)
        for key in modifiers:
            self.page.keyboard.down(key)
        self.page.mouse.down()
        self.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        self.move(*end)
        self.page.mouse.up()
        for key in modifiers:
            self.page.keyboard.up(key)

    def draw(self, x: float, y: float, w: float, h: float) -> None:
        self.keys("n")
        self.drag((x, y), (x + w, y + h))
        self.keys("v")

    def labels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("document.querySelector('#stage').editor.store.labels()")
        return found

    def boxes(self) -> list[Box]:
        """The boxes in the page, in pixels of the image."""
        found = self.page.evaluate(
            "document.querySelector('#stage').editor.store.all().map(({x, y, w, h}) => [x, y, w, h])"
        )
        return [tuple(box) for box in found]  # type: ignore[misc]

    def selected(self) -> list[str]:
        found: list[str] = self.page.evaluate("[...document.querySelector('#stage').editor.store.selection]")
        return found

    def zoom(self, scale: float) -> None:
        self.page.evaluate("scale => document.querySelector('#stage').editor.viewport.zoomTo(scale)", scale)

    def scale(self) -> float:
        found: float = self.page.evaluate("document.querySelector('#stage').editor.viewport.scale")
        return found

    def look(self, box: str) -> str:
        """The classes of the path that draws a box at rest; "" where it is not drawn, or is selected."""
        found: str = self.page.evaluate("id => document.querySelector('#stage').editor.view.looks.get(id) ?? ''", box)
        if found:
            assert self.page.locator(f'.base:not(.coming) .world > g[class="{found}"] > .line').get_attribute("d")
        return found


def close_to(found: Sequence[float], wanted: Sequence[float], slack: float = 0.75) -> bool:
    """Equal to a pixel of the image; the mouse itself stands on whole pixels of the screen."""
    return all(abs(a - b) <= slack for a, b in zip(found, wanted, strict=True))


def draft_boxes(desk: WorkDesk, name: str, user: User) -> list[list[float]]:
    """What the server has of a user's unfinished work, in pixels."""
    task = desk.task(name)
    point = task.datapoint
    size = [point.width, point.height] * 2
    labels = Draft.objects.get(task=task, user=user).labels
    return [[part * side for part, side in zip(label["bbox"], size, strict=True)] for label in labels]
