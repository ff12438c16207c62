"""For everyone: items S2 and S3 of the editor's specification, checked with axe, by keyboard, with fingers, at every size."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from apps.labeling.models import Annotation, Comment
from tests.browser.workspace import Workspace, close_to
from tests.labeling.workspace_desk import Picture, make_desk, predicted

PRELABELS = [predicted(n, n % 3, [0.05 + 0.18 * n, 0.1 + 0.15 * (n % 4), 0.15, 0.2], 0.35 + 0.12 * n) for n in range(5)]
LONG = "north-gate/2026-11-23/camera-04/very-long-name-of-an-image-that-somebody-exported-000123.jpg"


@pytest.fixture
def desk(transactional_db, organization):
    pictures = [Picture(LONG, (1280, 800), PRELABELS), Picture("b.jpg"), Picture("c.jpg", (480, 640))]
    return make_desk(organization, pictures)


@pytest.fixture
def work(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open()
    yield work
    work.leave()


def serious(page):
    found = Axe().run(page).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in found
        if violation["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_s2_axe_finds_nothing_serious(work, labeler, theme):
    labeler.theme = theme
    labeler.save(update_fields=["theme"])
    work.page.reload()
    work.ready()
    work.keys("Tab")
    assert serious(work.page) == []
    for key, opened in [
        ("?", "#dialog-keys"),
        ("w", "#dialog-instructions"),
        ("s", "#dialog-skip"),
        ("p", "#dialog-problem"),
    ]:
        work.stage.focus()
        work.keys(key)
        expect(work.page.locator(opened)).to_be_visible()
        work.until(lambda: not work.page.evaluate("document.getAnimations().some(a => a.playState === 'running')"))
        assert serious(work.page) == []
        work.keys("Escape")
    for key, opened in [("q", "#queue"), ("c", "#comments")]:
        work.stage.focus()
        work.keys(key)
        expect(work.page.locator(opened)).to_be_visible()
        work.until(lambda: not work.under_way)
        assert serious(work.page) == []
        work.keys("Escape")


def test_s2_every_control_has_a_name(work):
    nameless = work.page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, textarea, a, [role]')].filter(e => e.checkVisibility()"
        " && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim()"
        " || e.labels?.length || e.closest('label') || e.getAttribute('role') === 'presentation'))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []


def test_s2_focus_goes_bar_tools_canvas_panel_and_f6_between_them(work):
    work.page.locator(".back").focus()
    seen = ["bar"]
    for _ in range(60):
        work.keys("Tab")
        seen.append(work.page.evaluate(
            "(e => e.closest('.bar, .tools, .stage, .side')?.className.split(' ')[0] ?? '')(document.activeElement)"
        ))  # fmt: skip
    order = [place for place, before in zip(seen, ["", *seen], strict=False) if place and place != before]
    assert order[:4] == ["bar", "tools", "stage", "side"]
    work.stage.focus()
    work.keys("Escape", "F6")
    expect(work.page.locator(".box-list")).to_be_focused()
    work.keys("ArrowDown")
    assert work.selected() == ["p0"]
    work.keys("ArrowDown")
    assert work.selected() == ["p1"]
    expect(work.page.locator("#live")).to_contain_text("Box 2 of 5, person")
    work.keys("F6")
    expect(work.stage).to_be_focused()


def test_s2_the_list_tells_position_state_and_selection(work):
    rows = work.page.locator(".box-list").get_by_role("option")
    expect(rows).to_have_count(5)
    expect(rows.nth(1)).to_have_attribute("aria-posinset", "2")
    expect(rows.nth(1)).to_have_attribute("aria-setsize", "5")
    rows.nth(1).click()
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(work.page.locator(".box-list")).to_have_attribute("aria-activedescendant", "row-p1")


SIZES = {"laptop": (1280, 800), "tablet": (768, 1024), "phone": (390, 844), "zoomed": (640, 400)}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_s2_nothing_is_cut_off_at_any_size(work, desk, labeler, context, console, screenshot_folder, size, theme):
    console.expect("ERR_INTERNET_DISCONNECTED")
    Comment.objects.create(task=desk.task(LONG), author=labeler, stage_name="LABEL", text="Car or van?")
    labeler.theme = theme
    labeler.save(update_fields=["theme"])
    page = work.page
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.reload()
    work.ready()
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    work.keys("Space", "Space")
    expect(page.locator("#state")).to_have_text("Offline: kept in this browser")
    page.screenshot(path=screenshot_folder / f"workspace-{size}-{theme}.png", caret="initial")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = page.evaluate(
        "() => [...document.querySelectorAll('.bar *, .tools *, .side button, .side input, .side-foot *')]"
        ".filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.visually-hidden, .word, .truncate'))"
        ".filter(e => { const r = e.getBoundingClientRect(); const bar = e.closest('.bar')?.getBoundingClientRect();"
        " return r.width && (r.right > innerWidth + 1 || r.left < -1 || (bar && r.bottom > bar.bottom)); })"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert cut == []
    overlapping = page.evaluate(
        "() => { const all = [...document.querySelectorAll('.bar > *')].filter(e => e.checkVisibility())"
        ".map(e => e.getBoundingClientRect()); return all.slice(1).filter((r, i) => r.left < all[i].right - 1).length; }"
    )
    assert overlapping == 0
    submit = page.locator("[data-action=submit]").bounding_box()
    assert submit["y"] + submit["height"] <= height
    if size in {"laptop", "tablet"}:  # what is done to a box is in sight beside the pre-labels
        delete = page.locator("[data-action=delete]").bounding_box()
        assert delete["y"] + delete["height"] <= page.locator(".side-foot").bounding_box()["y"]
    context.set_offline(False)
    work.saving_done()


def test_s2_reduced_motion_is_respected(work):
    work.page.emulate_media(reduced_motion="reduce")
    hint = work.page.locator("#hint")
    assert float(hint.evaluate("e => parseFloat(getComputedStyle(e).transitionDuration)")) <= 0.001


class TestTouch:
    @pytest.fixture
    def browser_context_args(self, browser_context_args):
        return {
            **browser_context_args, "has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844},
        }  # fmt: skip

    @pytest.fixture
    def touch(self, work):
        work.ready()
        session = work.page.context.new_cdp_session(work.page)

        def send(kind, *points):
            found = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

        def drag(start, end):
            send("touchStart", work.at(*start))
            send("touchMove", work.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
            send("touchMove", work.at(*end))
            send("touchEnd")

        def choose(action):
            """Taps a tool, and waits for the click that the browser makes of a tap."""
            button = work.page.locator(f"[data-action={action}]")
            button.tap()
            expect(button).to_have_attribute("aria-pressed", "true")

        send.drag, send.choose = drag, choose
        return send

    def test_s3_one_finger_draws_and_handles_are_44_px_wide_to_the_finger(self, work, touch):
        touch.choose("new-box")
        touch.drag((700, 500), (1000, 700))
        assert close_to(work.boxes()[-1], (700, 500, 300, 200), 4)
        touch.choose("select")
        scale = work.scale()
        grip = (1000 + 20 / scale, 700 + 20 / scale)
        touch.drag(grip, (grip[0] + 100, grip[1] + 50))
        assert close_to(work.boxes()[-1], (700, 500, 400, 250), 8)

    def test_s3_two_fingers_pan_and_zoom_and_draw_nothing(self, work, touch):
        touch.choose("new-box")
        before, count = work.scale(), len(work.boxes())
        frame = work.stage.bounding_box()
        x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
        touch("touchStart", (x - 40, y))
        touch("touchStart", (x - 40, y), (x + 40, y))
        for step in range(1, 5):
            touch("touchMove", (x - 40 - 10 * step, y), (x + 40 + 10 * step, y))
        assert work.scale() == pytest.approx(before * 2, rel=0.05)
        held = work.at(700, 500)
        for step in range(1, 5):
            touch("touchMove", (x - 80 + 10 * step, y + 5 * step), (x + 80 + 10 * step, y + 5 * step))
        touch("touchEnd")
        assert work.at(700, 500) == pytest.approx((held[0] + 40, held[1] + 20), abs=1)
        assert work.scale() == pytest.approx(before * 2, rel=0.05)
        assert len(work.boxes()) == count

    def test_s3_a_review_works_on_a_phone(self, work, touch, desk):
        bar = work.page.locator(".thumbs-bar")
        bar.get_by_role("button", name="Accept").tap()
        for _ in range(4):
            bar.get_by_role("button", name="Accept").tap()
        bar.get_by_role("button", name="Reject").tap()
        expect(work.page.locator("[data-undecided]")).to_have_text("0 shown, 0 hidden")
        work.page.locator("[data-action=submit]").tap()
        work.until(lambda: Annotation.objects.filter(task=desk.task(LONG)).exists())
        assert len(desk.task(LONG).annotation.labels) == 4

    def test_s3_targets_are_at_least_44_px_to_the_finger(self, work, touch):
        small = work.page.evaluate(
            "() => [...document.querySelectorAll('.tools button, .thumbs-bar button, .side-foot button')]"
            ".filter(e => e.checkVisibility()).filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == []
