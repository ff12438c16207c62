"""Drawing on the canvas: items D1 to D6 and V1 of the editor's specification, and coordinates to a pixel."""

import io

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import expect

from apps.warehouse.pictures import upright
from apps.warehouse.storages import open_datapoint
from tests.browser.workspace import Workspace, close_to, draft_boxes
from tests.labeling.workspace_desk import Picture, make_desk


@pytest.fixture
def desk(transactional_db, organization):
    return make_desk(organization, [Picture("a.jpg"), Picture("b.jpg", (1600, 900))])


@pytest.fixture
def work(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    yield work
    work.leave()


def test_d1_the_tool_stays_after_a_box_and_takes_the_current_class(work, desk, labeler):
    work.keys("3", "n")
    work.drag((100, 100), (200, 180))
    work.drag((300, 100), (380, 220))
    work.saving_done()
    assert [label["category"] for label in work.labels()] == [2, 2]
    assert work.page.locator("dialog[open]").count() == 0
    first, second = draft_boxes(desk, "a.jpg", labeler)
    assert close_to(first, (100, 100, 100, 80))
    assert close_to(second, (300, 100, 80, 120))


def test_d2_by_two_clicks(work):
    work.keys("n")
    work.click(120, 90)
    work.move(180, 150)
    work.click(240, 200)
    assert close_to(work.boxes()[0], (120, 90, 120, 110))


def test_d2_by_four_extreme_points_in_any_order_and_escape_cancels(work):
    work.keys("d")
    for point in [(200, 300), (300, 120), (410, 260), (280, 400)]:
        work.click(*point)
    assert close_to(work.boxes()[0], (200, 120, 210, 280))
    work.click(50, 50)
    work.click(90, 60)
    work.keys("Escape")
    work.click(60, 300)
    assert len(work.boxes()) == 1


def test_d3_a_crosshair_follows_in_draw_mode_and_t_toggles_it(work):
    crosshair = work.page.locator(".crosshair")
    work.keys("n")
    work.move(150, 120)
    assert "off" not in crosshair.get_attribute("class")
    line = crosshair.locator("line").nth(3)
    left = work.stage.bounding_box()["x"]
    assert abs(float(line.get_attribute("x1")) + left - work.at(150, 120)[0]) < 1
    work.keys("t")
    work.move(160, 130)
    assert "off" in crosshair.get_attribute("class")
    work.keys("t", "v")
    work.move(170, 130)
    assert "off" in crosshair.get_attribute("class")


def test_d3_its_width_color_and_opacity_are_settings(work):
    work.page.get_by_text("View", exact=True).click()
    work.page.locator("[data-pref=crossWidth]").fill("3")
    work.page.locator("[data-pref=crossColor]").fill("#ff8800")
    work.page.locator("[data-pref=crossOpacity]").fill("50")
    style = work.page.locator(".crosshair line").last.evaluate(
        "line => { const s = getComputedStyle(line); return [s.strokeWidth, s.stroke, s.strokeOpacity]; }"
    )
    assert style == ["3px", "rgb(255, 136, 0)", "0.5"]


def test_d4_boxes_are_no_targets_while_drawing_and_alt_selects(work):
    work.draw(100, 100, 200, 200)
    work.keys("n")
    work.drag((150, 150), (220, 210))
    assert [close_to(box, wanted) for box, wanted in zip(
        work.boxes(), [(100, 100, 200, 200), (150, 150, 70, 60)], strict=True)] == [True, True]  # fmt: skip
    work.click(120, 280, "Alt")
    assert work.selected() == [work.labels()[0]["id"]]
    work.keys("Escape")
    expect(work.stage).to_have_attribute("data-tool", "select")


def test_d5_the_size_is_shown_too_small_is_refused_and_boxes_are_clipped(work):
    work.keys("n")
    work.move(100, 100)
    work.page.mouse.down()
    work.move(180, 160)
    label = work.page.locator(".size-label")
    assert label.text_content() in {"80 × 60 px", "81 × 60 px", "80 × 61 px", "81 × 61 px", "79 × 60 px"}
    work.page.mouse.up()
    work.zoom(9)
    work.move(320, 240)
    x, y = work.at(320, 240)
    work.page.mouse.down()
    work.page.mouse.move(x + 8, y + 8)
    work.page.mouse.up()
    expect(work.page.locator("#hint")).to_have_text("Too small: a box has at least 2 × 2 pixels")
    assert len(work.boxes()) == 1
    work.keys("Home")
    work.drag((600, 440), (660, 490))
    x, y, w, h = work.boxes()[1]
    assert (round(x + w, 6), round(y + h, 6)) == (640, 480)


def test_d6_ctrl_snaps_to_edges_and_shift_keeps_a_square(work):
    work.draw(100, 100, 120, 120)
    work.keys("n")
    work.drag((223, 98), (320, 180), "Control")
    x, y, _, _ = work.boxes()[1]
    assert close_to((x, y), (work.boxes()[0][0] + work.boxes()[0][2], 100), 0.8)
    work.move(400, 300)
    work.page.keyboard.down("Control")
    work.page.mouse.down()
    work.move(637, 420)
    guide = work.page.locator(".guides line").last
    assert guide.get_attribute("class") != "off"
    assert abs(float(guide.get_attribute("x1")) + work.stage.bounding_box()["x"] - work.at(640, 0)[0]) < 1
    work.page.mouse.up()
    work.page.keyboard.up("Control")
    assert guide.get_attribute("class") == "off"
    x, _, w, _ = work.boxes()[2]
    assert x + w == 640
    work.drag((100, 300), (180, 330), "Shift")
    _, _, w, h = work.boxes()[3]
    assert w == pytest.approx(h)
    assert close_to((w,), (80,))


@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_v1_coordinates_are_exact_at_every_zoom(work, desk, labeler, scale):
    work.zoom(scale)
    assert work.scale() == scale
    work.draw(300, 220, 60, 40)
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (300, 220, 60, 40), 0.5 / scale + 0.01)


def test_v1_the_wheel_zooms_at_the_pointer_between_one_and_a_thousand_percent(work):
    x, y = (round(part) for part in work.at(200, 150))  # wheel events stand on whole pixels
    left, top = work.at(0, 0)
    under = (x - left) / work.scale(), (y - top) / work.scale()
    work.page.mouse.move(x, y)
    for _ in range(30):
        work.page.mouse.wheel(0, -400)
    assert work.scale() == 10
    assert close_to(work.at(*under), (x, y), 0.1)
    for _ in range(60):
        work.page.mouse.wheel(0, 400)
    assert work.scale() == pytest.approx(0.01)
    work.keys("Home")
    left, top = work.at(0, 0)
    right, bottom = work.at(640, 480)
    frame = work.stage.bounding_box()
    assert left >= frame["x"]
    assert top >= frame["y"]
    assert right <= frame["x"] + frame["width"]
    assert bottom <= frame["y"] + frame["height"]
    work.keys("+")
    assert work.scale() > (right - left) / 640


def test_v1_ctrl_and_the_wheel_zoom_as_a_pinch_does(work):
    before = work.scale()
    work.move(200, 150)
    work.page.keyboard.down("Control")
    work.page.mouse.wheel(0, -50)
    work.page.keyboard.up("Control")
    assert work.scale() == pytest.approx(before * 2.718281828**0.5)


def test_v1_pixels_are_sharp_above_two_hundred_percent_where_that_is_wanted(work):
    rendering = "getComputedStyle(document.querySelector('#stage > img:not(.coming)')).imageRendering"
    work.keys("y")
    work.zoom(1.5)
    assert work.page.evaluate(rendering) == "auto"
    work.zoom(3)
    assert work.page.evaluate(rendering) == "pixelated"
    work.keys("y")
    assert work.page.evaluate(rendering) == "auto"


def test_v1_space_pans_while_a_box_is_being_drawn(work):
    work.zoom(1)
    work.keys("n")
    work.move(200, 200)
    work.page.mouse.down()
    work.move(260, 240)
    before = work.at(0, 0)
    work.page.keyboard.down("Space")
    x, y = work.at(260, 240)
    work.page.mouse.move(x + 40, y + 30)
    work.page.keyboard.up("Space")
    after = work.at(0, 0)
    assert close_to((after[0] - before[0], after[1] - before[1]), (40, 30))
    work.move(300, 280)
    work.page.mouse.up()
    assert close_to(work.boxes()[0], (200, 200, 100, 80))


def test_v1_the_middle_button_pans_and_a_double_click_on_nothing_fits(work):
    fitted = work.scale()
    work.zoom(2)
    before = work.at(0, 0)
    x, y = work.at(320, 240)
    work.page.mouse.move(x, y)
    work.page.mouse.down(button="middle")
    work.page.mouse.move(x - 50, y - 20)
    work.page.mouse.up(button="middle")
    after = work.at(0, 0)
    assert close_to((after[0] - before[0], after[1] - before[1]), (-50, -20))
    work.page.mouse.dblclick(*work.at(320, 240))
    assert work.scale() == fitted


class TestSharpScreens:
    @pytest.fixture
    def browser_context_args(self, browser_context_args):
        return {**browser_context_args, "device_scale_factor": 2}

    def test_coordinates_are_exact_at_device_scale_two(self, work, desk, labeler):
        work.zoom(3)
        work.draw(300, 220, 60, 40)
        work.saving_done()
        assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (300, 220, 60, 40), 0.2)


MEAN = """([x, y, w, h]) => {
  const pen = Object.assign(document.createElement("canvas"), {width: w, height: h}).getContext("2d");
  pen.drawImage(document.querySelector("#stage > img:not(.coming)"), -x, -y);
  const {data} = pen.getImageData(0, 0, w, h);
  return [0, 1, 2].map(part => data.filter((_, at) => at % 4 === part).reduce((sum, value) => sum + value) / w / h);
}"""


@pytest.mark.parametrize("orientation", range(2, 9))
def test_v4_an_exif_rotated_image_is_labeled_as_it_is_shown(
    page, live_url, logged_in, labeler, transactional_db, organization, orientation
):
    desk = make_desk(organization, [Picture("turned.jpg", (480, 640), orientation=orientation)])
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("turned.jpg")
    shown = page.evaluate(
        "(i => [i.naturalWidth, i.naturalHeight])(document.querySelector('#stage > img:not(.coming)'))"
    )
    assert shown == [480, 640]
    work.draw(60, 500, 120, 90)
    work.saving_done()
    box = draft_boxes(desk, "turned.jpg", labeler)[0]
    assert close_to(box, (60, 500, 120, 90), 1)
    # In the box lies the same piece of the picture to the person, to training and to exports: the colors grow along
    # both sides, so that one turned or mirrored otherwise has others there.
    x, y, w, h = map(round, box)
    with open_datapoint(desk.task("turned.jpg").datapoint) as file, Image.open(io.BytesIO(upright(file))) as image:
        assert close_to(page.evaluate(MEAN, [x, y, w, h]), ImageStat.Stat(image.crop((x, y, x + w, y + h))).mean, 3)
    work.leave()
