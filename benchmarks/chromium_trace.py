"""Where Chromium's time goes, from its own tracing; a kept trace opens in the Performance panel of DevTools."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "cc", "toplevel", "blink", "v8"]
WORK = (
    "EventDispatch",
    "FireAnimationFrame",
    "UpdateLayoutTree",
    "Layout",
    "PrePaint",
    "Paint",
    "Commit",
    "RasterTask",
)
WORK += ("ImageDecodeTask", "MinorGC", "MajorGC")

Event = dict[str, Any]


def traced(browser: Any, page: Any, work: Callable[[], Any], file: Path | None = None) -> list[Event]:
    """The trace's events while `work` runs."""
    browser.start_tracing(page=page, path=file, categories=CATEGORIES)
    work()
    events: list[Event] = json.loads(browser.stop_tracing())["traceEvents"]
    return events


def spent(events: list[Event]) -> dict[str, float]:
    """Milliseconds by kind of work, whichever thread did it; one kind may contain another."""
    total: Counter[str] = Counter()
    for event in events:
        if event["name"] in WORK:
            total[event["name"]] += event.get("dur", 0) / 1000
    return {name: round(total[name], 1) for name in WORK if total[name]}


def most_laid_out(events: list[Event]) -> tuple[int, int]:
    """The most objects that any one layout found changed, and the most that the page had."""
    found = [event["args"]["beginData"] for event in layouts(events)]
    assert found, "Nothing was laid out while it was traced."
    return max(data["dirtyObjects"] for data in found), max(data["totalObjects"] for data in found)


def layouts(events: list[Event]) -> list[Event]:
    return [event for event in events if event["name"] == "Layout" and "beginData" in event.get("args", {})]
