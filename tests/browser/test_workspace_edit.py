"""Editing boxes and classes: items E1 to E8 and C1 to C3 of the editor's specification."""

import pytest
from playwright.sync_api import expect

from benchmarks.chromium_trace import most_laid_out, traced
from tests.browser.workspace import Workspace, close_to, draft_boxes
from tests.labeling.workspace_desk import Picture, make_desk, predicted

START = (200, 150, 160, 120)


@pytest.fixture
def desk(transactional_db, organization):
    return make_desk(organization, [Picture("a.jpg"), Picture("b.jpg", (320, 240)), Picture("c.jpg")])


@pytest.fixture
def work(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    yield work
    work.leave()


HANDLES = {
    "nw": (-30, -20, 30, 20), "n": (0, -20, 0, 20), "ne": (0, -20, 30, 20), "e": (0, 0, 30, 0),
    "se": (0, 0, 30, 20), "s": (0, 0, 0, 20), "sw": (-30, 0, 30, 20), "w": (-30, 0, 30, 0),
}  # fmt: skip


@pytest.mark.parametrize("handle", HANDLES)
def test_e1_each_handle_moves_only_its_edges(work, desk, labeler, handle):
    work.draw(*START)
    x, y, w, h = START
    across = 0 if "w" in handle else 1 if "e" in handle else 0.5
    down = 0 if "n" in handle else 1 if "s" in handle else 0.5
    grip = (x + across * w, y + down * h)
    by = (-30 if "w" in handle else 30 if "e" in handle else 0, -20 if "n" in handle else 20 if "s" in handle else 0)
    work.drag(grip, (grip[0] + by[0], grip[1] + by[1]))
    wanted = [a + b for a, b in zip(START, HANDLES[handle], strict=True)]
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], wanted)


def test_e1_handles_keep_their_size_and_an_edge_moves_alone_when_the_others_are_out_of_sight(work):
    work.draw(20, 20, 600, 440)
    handle = work.page.locator(".handle.nw")
    small = float(handle.get_attribute("width"))
    work.zoom(4)
    assert float(handle.get_attribute("width")) == small
    x, y = work.at(20, 240)
    work.page.evaluate(
        "shift => document.querySelector('#stage').editor.viewport.panBy(shift, 0)",
        work.stage.bounding_box()["x"] + 300 - x,
    )
    right = work.at(620, 240)[0]
    assert right > work.stage.bounding_box()["x"] + work.stage.bounding_box()["width"]
    work.drag((20, 200), (50, 215))
    assert close_to(work.boxes()[0], (50, 20, 570, 440), 0.3)


def test_e2_arrows_move_and_resize_by_one_and_ten_pixels(work):
    work.draw(*START)
    x, y, w, h = work.boxes()[0]
    work.keys("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Control+ArrowRight", "Control+Shift+ArrowDown")
    assert close_to(work.boxes()[0], (x - 9, y + 1, w + 1, h + 10), 0.001)
    work.keys(*["Shift+ArrowLeft"] * 30)
    assert work.boxes()[0][0] == 0


def test_e3_a_key_makes_a_corner_follow_the_pointer(work):
    work.draw(*START)
    work.keys(".")
    work.move(400, 300)
    work.move(420, 330)
    work.click(420, 330)
    assert close_to(work.boxes()[0], (200, 150, 220, 180))
    work.keys(",")
    work.move(180, 140)
    work.click(180, 140)
    assert close_to(work.boxes()[0], (180, 140, 240, 190))


def test_e4_copy_paste_and_duplicate_within_and_across_images(work, desk):
    work.draw(300, 200, 100, 100)
    x, y, w, h = work.boxes()[0]
    work.keys("Control+c", "Control+v")
    assert close_to(work.boxes()[1], (x + 10, y + 10, w, h), 0.001)
    work.keys("Control+d")
    assert close_to(work.boxes()[2], (x + 20, y + 20, w, h), 0.001)
    work.keys("Enter")
    work.ready("b.jpg")
    work.keys("Control+v")
    assert close_to(work.boxes()[0], (320 - w, 240 - h, w, h), 0.001)


def test_e4_r_repeats_the_boxes_of_the_previous_image(work):
    work.draw(20, 20, 100, 100)
    work.keys("2")
    before = work.boxes()
    work.keys("Enter")
    work.ready("b.jpg")
    work.keys("r")
    assert close_to(work.boxes()[0], before[0], 0.001)
    assert work.labels()[0]["category"] == 1


def test_e5_many_boxes_are_moved_relabeled_and_deleted_in_one_step(work):
    for n in range(3):
        work.draw(50 + 150 * n, 100, 80, 80)
    work.keys("Escape")
    work.click(90, 140)
    work.click(240, 140, "Shift")
    assert len(work.selected()) == 2
    work.keys("3", "Shift+ArrowDown")
    assert [label["category"] for label in work.labels()] == [2, 2, 0]
    work.keys("Escape")
    work.drag((20, 60), (560, 300))
    assert len(work.selected()) == 3
    work.keys("Delete")
    assert work.boxes() == []
    work.keys("Control+z")
    assert len(work.boxes()) == 3
    work.keys("Control+z", "Control+z")
    assert [label["category"] for label in work.labels()] == [0, 0, 0]


def test_e6_undo_and_redo_cover_every_operation_and_survive_a_reload(work, desk):
    work.draw(*START)
    work.draw(20, 20, 60, 60)
    work.keys("2")
    work.drag((50, 50), (90, 90))
    work.keys("Shift+ArrowDown", "Control+d", "Delete", "Control+a", "3")
    final = work.labels()
    work.saving_done()
    work.page.reload()
    work.ready("a.jpg")
    assert work.labels() == final
    while work.labels():
        work.keys("Control+z")
    work.keys(*["Control+Shift+Z"] * 12)
    assert work.labels() == final
    work.saving_done()


def test_e7_the_smallest_box_is_hit_first_alt_click_cycles_and_brackets_reorder(work):
    work.draw(100, 100, 300, 250)
    work.draw(150, 150, 100, 80)
    work.keys("Escape")
    large, small = (label["id"] for label in work.labels())
    work.click(200, 190)
    assert work.selected() == [small]
    work.click(200, 190, "Alt")
    assert work.selected() == [large]
    work.keys("Shift+BracketRight")
    assert [label["id"] for label in work.labels()] == [small, large]
    work.keys("Escape")
    work.click(200, 190)
    assert work.selected() == [large]
    work.keys("[", "Escape")
    work.click(200, 190)
    assert work.selected() == [small]


def test_e8_lock_hide_focus_and_hide_all(work):
    work.draw(100, 100, 100, 100)
    work.draw(300, 100, 100, 100)
    first, second = (label["id"] for label in work.labels())
    work.keys("l")
    work.drag((350, 150), (390, 190))
    work.keys("Delete")
    assert close_to(work.boxes()[1], (300, 100, 100, 100))
    work.keys("Escape")
    assert "locked" in work.look(second)
    work.click(150, 150)
    work.keys("h", "Escape")
    assert not work.look(first)
    assert work.page.locator(".outlines > g").count() == 0
    work.keys("Shift+H")
    assert work.look(first)
    work.click(150, 150)
    work.keys("g")
    assert not work.look(second)
    work.keys("g", "Escape")
    assert work.look(second)
    work.page.keyboard.down("u")
    assert not work.look(first)
    work.page.keyboard.up("u")
    assert work.look(first)


def test_e8_an_almost_equal_box_of_the_same_class_is_pointed_out(work):
    work.draw(100, 100, 200, 200)
    work.draw(101, 101, 200, 200)
    expect(work.page.locator("#hint")).to_have_text("Another car box lies almost exactly here")


def test_e8_so_is_one_that_was_moved_or_repeated_there(work):
    work.draw(100, 100, 200, 150)
    work.draw(320, 100, 200, 150)
    hint = work.page.locator("#hint")
    work.drag((420, 170), (201, 170))
    expect(hint).to_have_text("Another car box lies almost exactly here")


class TestCrowd:
    """Two thousand boxes."""

    @pytest.fixture
    def desk(self, transactional_db, organization):
        crowd = [predicted(n, n % 3, [n % 50 / 50, n // 50 / 40, 0.015, 0.02], 0.5) for n in range(2000)]
        return make_desk(organization, [Picture("a.jpg", (2000, 1500), crowd)])

    def test_moving_one_of_two_thousand_boxes_lays_out_nothing_else(self, work, browser):
        work.keys("Tab")
        (x, y), (right, bottom) = work.at(0, 0), work.at(30, 30)
        middle = ((x + right) / 2, (y + bottom) / 2)
        work.page.mouse.move(*middle)
        work.page.mouse.down()
        work.page.mouse.move(middle[0] + 20, middle[1] + 20)

        def move():
            for step in range(20):
                work.page.mouse.move(middle[0] + 30 + 5 * step, middle[1] + 30 + 3 * step)

        laid_out, of_all = most_laid_out(traced(browser, work.page, move))
        work.page.mouse.up()
        assert laid_out < 30  # the box, its eight handles, its size, and what holds them
        assert of_all < 1000  # two thousand boxes at rest are a path for each look, and the rows of the list in sight
        assert work.boxes()[0][:2] != (0, 0)
        work.saving_done()


def test_e6_a_nudge_of_another_box_is_a_step_of_its_own(work):
    work.draw(50, 60, 100, 90)
    work.draw(300, 200, 80, 70)
    work.stage.focus()
    work.keys("ArrowRight", "Shift+Tab", "ArrowRight")
    assert [box[0] for box in work.boxes()] == pytest.approx([51, 301], abs=0.01)
    work.keys("Control+z", "Control+z")
    assert [box[0] for box in work.boxes()] == pytest.approx([50, 300], abs=0.01)
    work.saving_done()


def test_c1_a_class_key_pressed_while_drawing_is_about_the_box_in_the_hand(work):
    work.draw(50, 60, 100, 90)
    work.keys("n")
    work.move(300, 200)
    work.page.mouse.down()
    work.move(380, 270)
    work.keys("2")
    work.page.mouse.up()
    assert [label["category"] for label in work.labels()] == [0, 1]
    work.saving_done()


def test_v1_space_lets_go_of_panning_also_with_shift_held(work):
    work.page.keyboard.down("Space")
    work.page.keyboard.down("Shift")
    work.page.keyboard.up("Space")
    work.page.keyboard.up("Shift")
    work.draw(50, 60, 100, 90)
    assert close_to(work.boxes()[0], (50, 60, 100, 90))
    work.saving_done()


def test_exact_fields_and_the_list_edit_a_box(work, desk, labeler):
    work.draw(*START)
    work.draw(20, 20, 50, 50)
    work.page.get_by_role("option").first.click()
    expect(work.page.locator("[data-field=x]")).to_have_value("200")
    for name, value in [("x", "210"), ("y", "160.5"), ("w", "100"), ("h", "90")]:
        field = work.page.locator(f"[data-field={name}]")
        field.fill(value)
        field.press("Enter")
    assert close_to(work.boxes()[0], (210, 160.5, 100, 90), 0.001)
    work.page.locator("[data-field=y]").fill("7")
    work.page.locator("[data-field=y]").press("Escape")
    expect(work.page.locator("[data-field=y]")).to_have_value("160.5")
    assert close_to(work.boxes()[0], (210, 160.5, 100, 90), 0.001)
    work.page.locator("[data-field=x]").fill("630")
    work.page.locator("[data-field=x]").press("Enter")
    expect(work.page.locator("[data-field=x]")).to_have_value("540")
    work.saving_done()


def test_c1_the_key_stands_on_the_row_and_in_its_title_and_follows_a_change(work):
    row = work.page.locator("[data-class='1']")
    expect(row.locator("kbd")).to_have_text("2")
    expect(row).to_have_attribute("title", "person (2)")
    work.keys("?")
    sheet = work.page.locator("#dialog-keys")
    sheet.get_by_role("searchbox").fill("class person")
    sheet.locator("tbody button").click()
    work.keys("Alt+p")
    expect(row.locator("kbd")).to_have_text("Alt+P")
    expect(row).to_have_attribute("title", "person (Alt+P)")


def test_c3_tag_size_fill_and_opacity_are_settings(work):
    work.draw(*START)
    work.keys("Escape")
    work.page.get_by_text("View", exact=True).click()
    work.page.locator("[data-pref=tagSize]").fill("18")
    expect(work.page.locator(".base:not(.coming) .name-tag text")).to_have_attribute("font-size", "18")
    work.page.locator("[data-pref=tagSize]").fill("0")
    expect(work.page.locator(".base:not(.coming) .name-tag")).to_have_count(0)
    work.page.locator("[data-pref=fill]").fill("15")
    work.page.locator("[data-pref=boxOpacity]").fill("40")
    halo = work.page.locator(".base:not(.coming) .world .halo").first
    assert halo.evaluate("path => getComputedStyle(path).fillOpacity") == "0.15"
    assert work.page.locator("svg.base:not(.coming)").evaluate("base => getComputedStyle(base).opacity") == "0.4"


class TestManyClasses:
    @pytest.fixture
    def desk(self, transactional_db, organization):
        return make_desk(organization, [Picture("a.jpg")], classes=[f"kind {n}" for n in range(30)])

    def test_c1_digits_and_shifted_digits_reach_twenty_classes(self, work):
        work.draw(*START)
        for key, category in [("1", 0), ("9", 8), ("0", 9), ("Shift+1", 10), ("Shift+0", 19)]:
            work.keys(key)
            assert work.labels()[0]["category"] == category
        work.keys("Escape", "4")
        work.draw(20, 20, 50, 50)
        assert work.labels()[1]["category"] == 3

    def test_c2_the_filter_finds_a_class_and_recent_ones_come_first(self, work):
        work.draw(*START)
        work.keys("/")
        work.page.keyboard.type("kind 27")
        work.keys("Enter")
        assert work.labels()[0]["category"] == 27
        expect(work.stage).to_be_focused()
        work.keys("/")
        expect(work.page.locator(".class-list .name").first).to_have_text("kind 27")
        work.keys("Escape")
        expect(work.page.locator(".class-list .name").first).to_have_text("kind 0")

    def test_c2_the_class_list_scrolls_by_itself_and_counts(self, work):
        assert work.page.evaluate(
            "(list => list.scrollHeight > list.clientHeight)(document.querySelector('.class-list'))"
        )
        assert work.page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
        work.draw(*START)
        expect(work.page.locator("[data-class='0'] .count")).to_have_text("1")

    def test_c3_a_name_tag_beside_the_color_and_a_pattern_past_twenty(self, work):
        work.draw(*START)
        expect(work.page.locator(".base:not(.coming) .name-tag text")).to_have_text("kind 0")
        assert "repeat" in work.page.locator("[data-class='20'] .swatch").get_attribute("class")
        assert "repeat" not in work.page.locator("[data-class='19'] .swatch").get_attribute("class")
