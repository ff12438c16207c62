"""How fast the labeling page is, in a real Chromium against a real server, and what a correction costs a person.

python benchmarks/workspace.py [--boxes 20,100,500,2000] [--json OUT] [--traces FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks.chromium_trace import most_laid_out, spent, traced  # noqa: E402
from config.processes import wait_until  # noqa: E402

SIZE = (5472, 3648)
IMAGES = 22
MOVES = 150

# Submit to next ready: from the key press until the browser says that the frame after it is on the screen (Event
# Timing, to 8 ms; keys answered within 16 ms have no entry), and the one after the next task was shown has begun.
READY = """() => new Promise(resolve => {
  const stage = document.getElementById("stage");
  let start = 0;
  addEventListener("keydown", event => { if (event.key === "Enter") start = event.timeStamp; }, {once: true, capture: true});
  const presented = new Promise(tell => {
    const observer = new PerformanceObserver(list => {
      for (const {name, startTime, duration} of list.getEntries()) if (name === "keydown" && startTime >= start) tell(duration);
    });
    observer.observe({type: "event", durationThreshold: 16});
    setTimeout(() => { observer.disconnect(); tell(0); }, 1000);
  });
  new MutationObserver((_, observer) => {
    if (!stage.dataset.task) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(async () => {
      const begun = performance.now() - start;
      resolve({begun, presented: await presented, complete: stage.editor.image.complete, boxes: stage.editor.store.all().length});
    }));
  }).observe(stage, {attributeFilter: ["data-task"]});
})"""

WATCH = """() => {
  const {pointer} = document.getElementById("stage").editor;
  window.found = {script: [], frames: []};
  const move = Object.getPrototypeOf(pointer).move;
  pointer.move = event => { const at = performance.now(); move.call(pointer, event); found.script.push(performance.now() - at); };
  let last = performance.now();
  const frame = now => { found.frames.push(now - last); last = now; window.frame = requestAnimationFrame(frame); };
  window.frame = requestAnimationFrame(frame);
}"""
# The middle of the selected box, in the window.
GRIP = """(({store, viewport}) => {
  const {x, y, w, h} = viewport.rectOnScreen(store.selected()[0]);
  return [x + w / 2 + viewport.pane.left, y + h / 2 + viewport.pane.top];
})(document.getElementById("stage").editor)"""
COLLECT = "() => { cancelAnimationFrame(window.frame); delete document.getElementById('stage').editor.pointer.move; return found; }"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share) - 1]


def scattered(count: int, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    side = 0.6 / count**0.5
    return [
        {
            "id": f"p{n}", "category": draw.randrange(3), "source": "model", "confidence": round(draw.random(), 3),
            "bbox": [draw.random() * (1 - side), draw.random() * (1 - side), side, side],
        }
        for n in range(count)
    ]  # fmt: skip


@contextmanager
def served(port: int) -> Iterator[str]:
    """The product as it is deployed: gunicorn, hashed and compressed static files."""
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PORT": str(port)}, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: answers(url), 60, step=0.2), "The server did not start."
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=2).close()  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Window:
    """A logged-in Chromium on one labeling page, counting keys and pointer actions."""

    def __init__(self, name: str, browser: Any, url: str, path: str, cookie: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])
        self.name, self.browser = name, browser
        self.page = self.context.new_page()
        self.cdp = self.context.new_cdp_session(self.page)
        self.cdp.send("Performance.enable")
        self.sent: dict[str, float] = {}
        self.keys_pressed = self.pointer_actions = 0
        self._count_bytes()
        self.page.goto(url + path)
        self.until("document.getElementById('stage').dataset.task")

    def _count_bytes(self) -> None:
        urls: dict[str, str] = {}
        self.cdp.send("Network.enable")
        self.cdp.on(
            "Network.responseReceived", lambda event: urls.update({event["requestId"]: event["response"]["url"]})
        )
        self.cdp.on(
            "Network.loadingFinished",
            lambda event: self.sent.update({urls.get(event["requestId"], ""): event["encodedDataLength"]}),
        )

    def until(self, condition: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"{condition} did not become true."
            self.page.wait_for_timeout(20)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys_pressed += 1
            self.page.keyboard.press(key)

    def at(self, x: float, y: float) -> tuple[float, float]:
        view = self.page.evaluate(
            "(({viewport: {scale, x, y, pane}}) => [scale, x + pane.left, y + pane.top])"
            "(document.getElementById('stage').editor)"
        )
        return view[1] + x * SIZE[0] * view[0], view[2] + y * SIZE[1] * view[0]

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        self.pointer_actions += 1
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=4)
        self.page.mouse.up()

    def click(self, x: float, y: float) -> None:
        self.pointer_actions += 1
        self.page.mouse.click(*self.at(x, y))

    def metrics(self) -> dict[str, float]:
        return {one["name"]: one["value"] for one in self.cdp.send("Performance.getMetrics")["metrics"]}


def moves(window: Window) -> None:
    """Over the boxes, with one in the hand, and drawing a new one."""
    mouse, keyboard = window.page.mouse, window.page.keyboard
    for kind in ("hover", "drag", "draw"):
        if kind == "draw":
            keyboard.press("n")
        mouse.move(640, 400)
        if kind != "hover":
            mouse.down()
        for step in range(MOVES // 3):
            mouse.move(420 + 9 * step, 220 + (37 * step) % 300)
        if kind != "hover":
            mouse.up()
        keyboard.press("v")


def in_hand(window: Window) -> list[dict[str, Any]]:
    """The trace of moving one box of all; it is let go after it."""
    mouse = window.page.mouse
    window.page.keyboard.press("Tab")
    x, y = window.page.evaluate(GRIP)
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 8, y + 8)
    events = traced(
        window.browser, window.page, lambda: [mouse.move(x + 10 + n, y + 10 + n) for n in range(MOVES // 3)]
    )
    mouse.up()
    return events


def measure(window: Window, boxes: int, traces: Path | None) -> dict[str, float]:
    """Pointer moves on one task, then submits to the next ones."""
    page = window.page
    page.locator("#stage").focus()
    window.until("document.getElementById('stage').editor.image.naturalWidth > 4000")
    moves(window)  # once for nothing: scripts are compiled as they run
    before = window.metrics()
    page.evaluate(WATCH)
    moves(window)
    found = page.evaluate(COLLECT)
    after = window.metrics()
    if traces:
        traced(window.browser, page, lambda: moves(window), traces / f"moves-{boxes}.json")
    laid_out, of_all = most_laid_out(in_hand(window))
    return {
        "boxes": boxes,
        "move_script_p50_ms": statistics.median(found["script"]),
        "move_script_p95_ms": percentile(found["script"], 0.95),
        "move_layout_ms": 1000 * (after["LayoutDuration"] - before["LayoutDuration"]) / len(found["script"]),
        "laid_out_per_move": laid_out,
        "laid_out_of": of_all,
        "frame_p50_ms": statistics.median(found["frames"]),
        "frame_p95_ms": percentile(found["frames"], 0.95),
        **submits(window, traces and traces / f"submit-{boxes}.json"),
    }


def submits(window: Window, trace: Path | None) -> dict[str, float]:
    """The last submit is traced where that is asked for, and counts in no figure then."""
    times: list[float] = []
    for turn in range(IMAGES - 1):
        window.until(
            "(flow => flow.tasks.slice(1, 3).every(task => flow.images.full(task).image))"
            "(document.getElementById('stage').flow)"
        )
        window.page.keyboard.press("Shift+A")
        window.until("!document.getElementById('stage').flow.sync.waiting.length")
        if trace and turn == IMAGES - 2:
            print(window.name, spent(traced(window.browser, window.page, lambda: submit(window), trace)))
        else:
            times.append(submit(window))
    return {
        "submit_to_ready_p50_ms": statistics.median(times),
        "submit_to_ready_p95_ms": percentile(times, 0.95),
        "submit_to_ready_max_ms": max(times),
    }


def submit(window: Window) -> float:
    window.page.evaluate(f"() => {{ window.ready = ({READY})(); }}")
    window.page.keyboard.press("Enter")
    answer = window.page.evaluate("() => window.ready")
    assert answer["complete"] and answer["boxes"], answer
    return max(float(answer["begun"]), float(answer["presented"]))


def page_bytes(window: Window) -> dict[str, int]:
    """What the page loads of ours: as sent, and as written."""
    ours = [url for url in window.sent if url.split("?")[0].endswith((".js", ".css")) and "htmx" not in url]
    assert ours, "The page loaded nothing."
    sent = sum(window.sent[url] for url in ours)
    folders = [ROOT / "static/js/editor", ROOT / "static/js/workspace"]
    scripts = sum(file.stat().st_size for folder in folders for file in folder.glob("*.js"))
    styles = sum((ROOT / "static/css" / name).stat().st_size for name in ("app.css", "workspace.css"))
    return {"files": len(ours), "sent": int(sent), "scripts_source": scripts, "styles_source": styles}


TRUTH = [(0, [0.05 + 0.23 * (n % 4), 0.1 + 0.45 * (n // 4), 0.12, 0.25]) for n in range(8)]


def typical_prediction() -> list[dict[str, Any]]:
    """Five of eight objects right, one shifted, one of the wrong class, one missed, one that is nothing."""
    boxes = [list(bbox) for _, bbox in TRUTH[:7]] + [[0.45, 0.4, 0.08, 0.1]]
    boxes[5][0] += 0.05
    confidence = [0.97, 0.95, 0.93, 0.9, 0.88, 0.55, 0.6, 0.3]
    return [
        {"id": f"p{n}", "category": 1 if n == 6 else 0, "bbox": bbox, "source": "model", "confidence": confidence[n]}
        for n, bbox in enumerate(boxes)
    ]


def corner(bbox: Sequence[float]) -> tuple[float, float]:
    return bbox[0] + bbox[2], bbox[1] + bbox[3]


def correct(window: Window) -> None:
    """From the least sure: reject the wrong one, move the shifted one, re-class one, accept the rest, draw the missed."""
    window.press("Space", "x")
    _, shifted = TRUTH[5]
    x, y = shifted[0] + 0.06, shifted[1] + 0.12
    window.drag((x + 0.05, y), (x, y))
    window.press("Space", "1", "Shift+A", "n")
    _, missed = TRUTH[7]
    window.drag(missed[:2], corner(missed))


def draw(window: Window) -> None:
    window.press("n")
    for _, bbox in TRUTH:
        window.drag(bbox[:2], corner(bbox))


def effort(window: Window, work: Any) -> dict[str, int]:
    window.page.locator("#stage").focus()
    window.until("document.getElementById('stage').dataset.task")
    window.keys_pressed = window.pointer_actions = 0
    work(window)
    labels = window.page.evaluate("document.getElementById('stage').editor.store.labels()")
    assert matches(labels), labels
    window.press("Enter")
    return {"keys": window.keys_pressed, "pointer": window.pointer_actions}


def matches(labels: Sequence[dict[str, Any]]) -> bool:
    """Every object once, of its class, to two thousandths of the image; nothing else, nothing undecided."""
    found = sorted([round(part, 3) for part in label["bbox"]] for label in labels)
    wanted = sorted(bbox for _, bbox in TRUTH)
    near = all(abs(a - b) < 0.003 for f, w in zip(found, wanted, strict=True) for a, b in zip(f, w, strict=True))
    return near and all(label["category"] == 0 and label["source"] == "human" for label in labels)


def inside(counts: Sequence[int], traces: Path | None) -> dict[str, Any]:
    """Runs in the sandbox's environment."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    desks, cookie = prepare(counts)
    with served(port) as url:
        return browse(url, desks, cookie, counts, traces)


def prepare(counts: Sequence[int]) -> tuple[dict[str, str], str]:
    """A project a number of boxes, one for the corrections; the address of each, and a session."""
    from django.conf import settings
    from django.test import Client

    from apps.accounts.models import Membership, Organization, Role, User
    from tests.labeling.workspace_desk import Picture, make_desk

    user = User.objects.create_user("labeler@example.com", "correct horse battery")
    paths = {}
    for count in [*counts, 0]:
        organization = Organization.objects.create(name=f"Bench {count}", slug=f"bench-{count}")
        Membership.objects.create(organization=organization, user=user, role=Role.OWNER)
        boxes = [scattered(count, n) for n in range(IMAGES)] if count else [typical_prediction(), []]
        pictures = [Picture(f"{n}.jpg", SIZE, prelabels) for n, prelabels in enumerate(boxes)]
        paths[str(count)] = make_desk(organization, pictures).path
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return paths, client.cookies[settings.SESSION_COOKIE_NAME].value


def browse(url: str, paths: dict[str, str], cookie: str, counts: Sequence[int], traces: Path | None) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "No Chromium on the path."
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        rows = []
        for count in counts:  # one at a time: the pages of a browser share what memory it has for decoded images
            window = Window(str(count), browser, url, paths[str(count)], cookie)
            rows.append(measure(window, count, traces))
            window.context.close()
        typical = Window("typical", browser, url, paths["0"], cookie)
        result = {
            "rows": rows, "bytes": page_bytes(typical),
            "correct": effort(typical, correct),
        }  # fmt: skip
        typical.until("document.getElementById('task-name').textContent === '1.jpg'")
        result["draw"] = effort(typical, draw)
        browser.close()
    return result


def table(result: dict[str, Any]) -> str:
    names = list(result["rows"][0])
    lines = ["  ".join(f"{name:>22}" for name in names)]
    for row in result["rows"]:
        cells = [f"{row[name]:.0f}" if name == "boxes" else f"{row[name]:.2f}" for name in names]
        lines.append("  ".join(f"{cell:>22}" for cell in cells))
    size, done, drawn = result["bytes"], result["correct"], result["draw"]
    lines += [
        "",
        f"JavaScript and CSS of ours, as sent: {size['sent'] / 1000:.1f} kB in {size['files']} files;"
        f" as written: {size['scripts_source'] / 1000:.1f} kB of scripts, {size['styles_source'] / 1000:.1f} kB of styles",
        f"A typical pre-labeled image of 8 objects: {done['keys']} keys and {done['pointer']} pointer actions to correct,"
        f" {drawn['keys']} and {drawn['pointer']} to draw",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", default="20,100,500,2000")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--traces", type=Path, help="a folder for Chromium's traces of moves and submits")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        from config.sandbox import Sandbox

        arguments = [*sys.argv, "--inside"]
        with Sandbox("bench", [], keep=False, more={"DJANGO_ALLOW_ASYNC_UNSAFE": "true"}) as sandbox:
            sys.exit(subprocess.run([sys.executable, *arguments], env=sandbox.environment, check=False).returncode)
    if options.traces:
        options.traces.mkdir(parents=True, exist_ok=True)
    result = inside([int(count) for count in options.boxes.split(",")], options.traces)
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
