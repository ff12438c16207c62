"""Working with pre-labels: items P1 to P4, P6, P7 of the editor's specification, and blind audits."""

import re

import pytest
from playwright.sync_api import expect

from apps.accounts.models import Membership, Organization, Role
from apps.labeling.models import Annotation
from tests.browser.workspace import Workspace, close_to
from tests.labeling.workspace_desk import Picture, make_desk, predicted

PRELABELS = [
    predicted(1, 0, [0.1, 0.1, 0.2, 0.2], 0.9),
    predicted(2, 1, [0.5, 0.5, 0.25, 0.25], 0.3),
    predicted(3, 2, [0.7, 0.1, 0.2, 0.2], 0.6),
]


@pytest.fixture
def rule():
    return "ask"


@pytest.fixture
def desk(transactional_db, organization, rule):
    pictures = [
        Picture("a.jpg", prelabels=PRELABELS),
        Picture("b.jpg", prelabels=PRELABELS, audit=True),
        Picture("c.jpg"),
    ]
    return make_desk(organization, pictures, undecided=rule)


@pytest.fixture
def work(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    yield work
    work.leave()


def dashes(work, number):
    line = work.page.locator(f'.base:not(.coming) .world > g[class="{work.look(f"p{number}")}"] > .line')
    return line.evaluate("element => getComputedStyle(element).strokeDasharray")


def undecided(work):
    return work.page.locator("[data-undecided]")


def submitted(work, desk, name="a.jpg"):
    work.until(lambda: Annotation.objects.filter(task=desk.task(name)).exists())
    return desk.task(name).annotation


def test_p1_predictions_are_dashed_with_a_confidence_and_solid_once_accepted(work):
    assert "predicted" in work.look("p2")
    assert dashes(work, 2) != "none"
    expect(work.page.locator(".base:not(.coming) .name-tag", has_text="person 30 %")).to_be_visible()
    work.click(400, 300)
    work.keys("a", "Escape")
    assert dashes(work, 2) == "none"
    assert work.labels()[1] | {"bbox": 0} == {
        "id": "p2", "category": 1, "bbox": 0, "source": "human", "from": "p2", "confidence": 0.3,
    }  # fmt: skip


CONTRAST = """() => {
  const group = document.querySelector("#stage > .base:not(.coming) .world > g");
  const light = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  return [...Array(20).keys()].map((n) => {
    group.setAttribute("class", `box c${n} predicted`);
    const [a, b] = [".halo", ".line"].map((part) => light(getComputedStyle(group.querySelector(part)).stroke));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


def test_p1_dashes_stand_out_from_their_gaps_in_every_color(work):
    found = work.page.evaluate(CONTRAST)
    assert len(found) == 20
    assert min(found) >= 3


def test_p1_an_edit_accepts_and_keeps_where_the_box_came_from(work, desk):
    work.drag((400, 300), (420, 310))
    work.keys("Escape")
    work.click(500, 90)
    work.keys("1")
    work.click(90, 90)
    work.keys("a")
    expect(undecided(work)).to_have_text("0 shown, 0 hidden")
    work.keys("Enter")
    annotation = submitted(work, desk)
    assert [label["from"] for label in annotation.labels] == ["p1", "p2", "p3"]
    assert annotation.edits | {"moved_70": 0} == {
        "prelabels": 3, "boxes": 3, "added": 0, "deleted": 0, "reclassed": 1, "moved_50": 0, "moved_70": 0, "kept": 1,
    }  # fmt: skip


def remembered(work, said=""):
    """Until the server has a setting, not an earlier one."""
    return work.page.expect_response(
        lambda response: response.url.endswith("/prefs/") and said in (response.request.post_data or "")
    )


def test_p2_the_slider_hides_counts_and_is_remembered(work):
    expect(undecided(work)).to_have_text("3 shown, 0 hidden")
    slider = work.page.locator("[data-pref=slider]")
    slider.fill("50")
    expect(undecided(work)).to_have_text("2 shown, 1 hidden")
    assert not work.look("p2")
    with remembered(work, ":0.8}"):
        slider.fill("80")
    work.page.reload()
    work.ready("a.jpg")
    expect(slider).to_have_value("80")
    expect(undecided(work)).to_have_text("1 shown, 2 hidden")


def test_p2_windows_on_two_projects_undo_no_settings_of_each_other(work, context, live_url, labeler):
    elsewhere = Organization.objects.create(name="Elsewhere", slug="elsewhere")
    Membership.objects.create(organization=elsewhere, user=labeler, role=Role.LABELER)
    desk = make_desk(elsewhere, [Picture("a.jpg", prelabels=PRELABELS)], slider_default=0.35)
    other = Workspace(context.new_page(), desk, live_url).open().ready("a.jpg")
    expect(other.page.locator("[data-pref=slider]")).to_have_value("35")  # the project's, until one is set
    for window, share in ((work, "50"), (other, "80")):
        window.page.bring_to_front()
        with remembered(window):
            window.page.locator("[data-pref=slider]").fill(share)
    work.page.bring_to_front()
    work.stage.focus()
    with remembered(work):
        work.keys("i")
    for window, share in ((work, "50"), (other, "80")):
        window.page.bring_to_front()
        window.page.reload()
        window.ready("a.jpg")
        expect(window.page.locator("[data-pref=slider]")).to_have_value(share)
        expect(window.page.locator("[data-pref=invert]")).to_be_checked()
    other.leave()


def test_p2_a_class_can_have_a_slider_of_its_own(work):
    slider, of = work.page.locator("[data-pref=slider]"), work.page.get_by_label("Classes that the slider is for")
    of.select_option("bicycle")
    slider.fill("70")
    expect(of.locator("option").last).to_have_text("bicycle (70 %)")
    expect(undecided(work)).to_have_text("2 shown, 1 hidden")
    assert not work.look("p3")
    of.select_option("all classes")
    expect(slider).to_have_value("0")
    with remembered(work, ":0.95"):
        of.select_option("car")
        slider.fill("95")
    work.page.reload()
    work.ready("a.jpg")
    expect(undecided(work)).to_have_text("1 shown, 2 hidden")
    slider.fill("20")
    expect(undecided(work)).to_have_text("3 shown, 0 hidden")
    expect(of.locator("option").last).to_have_text("bicycle")


def test_the_first_tab_goes_to_a_box_before_anything_was_clicked(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url)
    page.goto(work.url)
    expect(work.stage).to_have_attribute("data-task", re.compile(".+"))
    expect(work.stage).to_be_focused()
    page.keyboard.press("Tab")
    assert len(work.selected()) == 1
    work.leave()


def test_p3_accept_all_shown_reject_and_reject_all(work):
    work.page.locator("[data-pref=slider]").fill("50")
    work.stage.focus()
    work.keys("Shift+A")
    assert [label["source"] for label in work.labels()] == ["human", "model", "human"]
    work.keys("Control+z")
    assert [label["source"] for label in work.labels()] == ["model"] * 3
    work.keys("Escape")
    work.move(90, 90)
    work.keys("x")
    assert [label["id"] for label in work.labels()] == ["p2", "p3"]
    work.keys("Shift+X")
    assert [label["id"] for label in work.labels()] == ["p2"]


def test_p3_space_accepts_and_goes_from_the_least_sure_upward(work):
    work.keys("Space")
    assert work.selected() == ["p2"]
    work.keys("Space")
    assert work.selected() == ["p3"]
    work.keys("x")
    assert work.selected() == ["p1"]
    work.keys("Space")
    expect(work.page.locator("#live")).to_have_text("Nothing left to decide")
    assert [(label["id"], label["source"]) for label in work.labels()] == [("p1", "human"), ("p2", "human")]


def test_p4_asked_about_undecided_ones_one_can_go_back_accept_or_drop(work, desk):
    dialog = work.page.locator("#dialog-choose")
    work.keys("o")  # F3: no objects, where some were predicted
    expect(dialog).to_contain_text("3 boxes, 3 of them predicted, would be removed")
    dialog.get_by_role("button", name="Back to the image").click()
    work.page.locator("[data-pref=slider]").fill("50")
    work.stage.focus()
    work.keys("Enter")
    expect(dialog).to_contain_text("3 pre-labels are undecided")
    dialog.get_by_role("button", name="Back to the image").click()
    assert len(work.labels()) == 3
    work.stage.focus()
    work.keys("Enter")
    dialog.get_by_role("button", name="Accept 2 and submit").click()
    assert [label["from"] for label in submitted(work, desk).labels] == ["p1", "p3"]


@pytest.mark.parametrize(("rule", "kept"), [("accept", ["p1", "p2", "p3"]), ("drop", [])])
def test_p4_the_projects_rule_is_followed_and_said(work, desk, rule, kept):
    if not kept:
        work.draw(20, 300, 60, 60)
    work.keys("Enter")
    expect(work.page.locator("#hint")).to_contain_text(f"3 undecided pre-labels {'accepted' if kept else 'dropped'}")
    annotation = submitted(work, desk)
    assert [label["from"] for label in annotation.labels if "from" in label] == kept


def test_p6_ghosts_show_what_lies_below_the_slider_but_are_no_targets(work):
    work.page.locator("[data-pref=slider]").fill("50")
    work.stage.focus()
    work.keys("Shift+G")
    assert "ghost" in work.look("p2")
    work.click(400, 300)
    assert work.selected() == []


def test_p7_an_image_without_detections_opens_empty_without_a_slider(work):
    work.keys("Shift+A", "Enter")
    work.ready("b.jpg")
    work.keys("o")
    work.ready("c.jpg")
    expect(work.page.locator(".review")).to_be_hidden()
    assert work.labels() == []


def test_an_audit_is_blind(work):
    work.keys("Shift+A", "Enter")
    work.ready("b.jpg")
    assert work.labels() == []
    expect(work.page.locator(".review")).to_be_hidden()
    expect(work.page.locator(".base:not(.coming) .world > g")).to_have_count(0)
    assert close_to(work.page.evaluate("[document.querySelector('#stage').flow.task.prelabels.length]"), [0])


def test_what_is_answered_about_pre_labels_goes_to_no_other_image(work, desk):
    work.keys("Enter")
    dialog = work.page.locator("#dialog-choose")
    expect(dialog).to_contain_text("are undecided")
    work.page.evaluate(
        "(flow => void flow.open(flow.tasks.find(({ name }) => name === 'c.jpg')))(document.querySelector('#stage').flow)"
    )
    expect(work.page.locator("#task-name")).to_have_text("c.jpg")
    dialog.get_by_role("button", name="Accept").click()
    expect(dialog).to_be_hidden()
    work.ready("c.jpg")
    assert work.boxes() == [] and not Annotation.objects.exists()
