"""From task to task: items F1 to F5 and V2 to V4 of the editor's specification, queue, comments, review stage."""

import json

import pytest
from playwright.sync_api import expect

from apps.labeling.models import Annotation, Comment, Task, TaskState
from apps.projects.services import configure_stage
from tests.browser.workspace import Workspace, close_to
from tests.labeling.workspace_desk import Picture, WorkDesk, make_desk, predicted


@pytest.fixture
def desk(transactional_db, organization):
    pictures = [Picture(f"{name}.jpg") for name in "abcdefgh"]
    return make_desk(organization, pictures, instructions="Label every vehicle.\n\nNot the parked ones.")


@pytest.fixture
def work(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    yield work
    work.leave()


def labels_of(work, desk, name):
    work.until(lambda: Annotation.objects.filter(task=desk.task(name)).exists())
    return desk.task(name).annotation.labels


def test_f1_by_keyboard_alone_from_log_in_to_submit(page, live_url, desk, labeler):
    page.goto(f"{live_url}/accounts/login/?next={desk.path}")
    page.get_by_label("E-mail").focus()
    page.keyboard.type(labeler.email)
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    work = Workspace(page, desk, live_url)
    expect(work.stage).to_have_attribute("data-task", str(desk.task("a.jpg").uid))
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == "stage":
            break
        page.keyboard.press("Tab")
    expect(work.stage).to_be_focused()
    work.keys("Shift+N", "2", "Shift+ArrowLeft", "Shift+N", "Shift+Tab")
    assert len(work.boxes()) == 2
    work.keys("Enter")
    assert [label["category"] for label in labels_of(work, desk, "a.jpg")] == [1, 1]
    work.ready("b.jpg")
    work.leave()


def test_f1_tab_goes_through_the_boxes_and_then_leaves_the_canvas(work):
    for n in range(3):
        work.draw(40 + 150 * n, 100, 80, 80)
    work.keys("Escape")
    ids = [label["id"] for label in work.labels()]
    for expected in ids:
        work.keys("Tab")
        assert work.selected() == [expected]
    work.keys("Shift+Tab")
    assert work.selected() == [ids[1]]
    work.keys("Tab", "Tab")
    expect(work.stage).not_to_be_focused()
    expect(work.page.locator("#live")).to_contain_text("Box 3 of 3, car, 80 by 80 pixels")


def test_f1_going_to_a_box_can_zoom_to_it(work):
    work.draw(40, 100, 60, 60)
    work.keys("Escape")
    fitted = work.scale()
    work.keys("Tab", "Escape")
    assert work.scale() == fitted
    work.keys("j", "Tab")
    assert work.scale() == 4
    frame = work.stage.bounding_box()
    assert close_to(work.at(70, 130), (frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2))


def test_f1_f2_submit_goes_on_and_z_takes_it_back_with_its_undo_steps(work, desk):
    work.draw(50, 60, 100, 90)
    work.keys("Enter")
    work.ready("b.jpg")
    assert len(labels_of(work, desk, "a.jpg")) == 1
    work.keys("z")
    work.ready("a.jpg")
    assert desk.task("a.jpg").state == TaskState.IN_PROGRESS
    assert close_to(work.boxes()[0], (50, 60, 100, 90))
    work.keys("Control+z")
    assert work.boxes() == []
    work.keys("Control+Shift+Z", "2", "Enter")
    work.ready("b.jpg")
    work.until(lambda: desk.task("a.jpg").annotation and desk.task("a.jpg").annotation.labels[0]["category"] == 1)


def test_f2_the_next_two_images_are_decoded_and_laid_out_ahead(work):
    work.until(lambda: work.page.locator("#stage > img.coming").count() == 2)
    place = "image => JSON.stringify([image.src, image.getBoundingClientRect()])"
    coming = [image.evaluate(place) for image in work.page.locator("#stage > img.coming").all()]
    shown = work.page.locator("#stage > img:not(.coming)")
    assert shown.evaluate(place) not in coming
    asked = []
    work.page.on("request", lambda request: asked.append(request.url))
    work.draw(50, 60, 100, 90)
    work.keys("Enter")
    work.ready("b.jpg")
    assert not [url for url in asked if "/thumbnail/" not in url and str(work.desk.task("b.jpg").datapoint.uid) in url]
    assert shown.evaluate(place) in coming
    work.until(lambda: work.page.locator("#stage > img.coming").count() == 2)


def drawn_ahead(work):
    """The boxes of the next task are there, as the slider and the window are now."""
    return work.page.evaluate(
        "(({editor: {coming, prefs}, clientWidth}) => coming && coming.viewport.pane.w === clientWidth"
        " && coming.base.querySelectorAll('path.line').length === (prefs.slider > 0.5 ? 2 : 3))"
        "(document.querySelector('#stage'))"
    )


def test_f2_the_boxes_of_the_next_task_are_drawn_ahead_as_they_will_be_shown(
    page, live_url, logged_in, labeler, transactional_db, organization
):
    boxes = [predicted(n, n % 3, [0.1 + 0.3 * n, 0.2, 0.2, 0.3], 0.3 + 0.3 * n) for n in range(3)]
    pictures = [Picture("a.jpg", prelabels=boxes), Picture("b.jpg", (320, 480), boxes)]
    logged_in(labeler)
    work = Workspace(page, make_desk(organization, pictures, undecided="accept"), live_url).open().ready("a.jpg")
    work.until(lambda: drawn_ahead(work))
    page.locator("[data-pref=slider]").fill("55")
    work.until(lambda: drawn_ahead(work))
    page.set_viewport_size({"width": 1100, "height": 700})
    work.until(lambda: drawn_ahead(work))
    ahead = page.locator("#stage > .base.coming").element_handle()
    work.stage.focus()
    work.keys("Shift+A", "Enter")
    work.ready("b.jpg")
    shown = page.locator("#stage > .base:not(.coming)")
    assert shown.evaluate("(base, ahead) => base === ahead", ahead)
    drawn = "base => [base.querySelector('.world').outerHTML, base.querySelector('.tags').outerHTML]"
    before = shown.evaluate(drawn)
    page.evaluate(
        "(({view}) => { view.drawn = null; view.rebuild(); view.move(); })(document.querySelector('#stage').editor)"
    )
    assert shown.evaluate(drawn) == before
    assert [bool(work.look(f"p{n}")) for n in range(3)] == [False, True, True]
    work.leave()


def test_f2_all_tasks_in_a_row_until_nothing_is_left(work, desk):
    for name in "abcdefgh":
        work.ready(f"{name}.jpg")
        work.keys("o")
    expect(work.page.get_by_role("heading", name="Nothing left to label here")).to_be_visible()
    work.until(lambda: Annotation.objects.count() == 8)
    expect(work.page.locator("[data-action=submit]")).to_be_disabled()


def test_f3_an_empty_submit_is_asked_about_and_no_objects_is_not(work, desk):
    work.keys("Enter")
    dialog = work.page.locator("#dialog-choose")
    expect(dialog).to_contain_text("There is no box on this image")
    work.keys("Escape")
    work.stage.focus()
    assert not Annotation.objects.exists()
    work.keys("o")
    work.ready("b.jpg")
    assert labels_of(work, desk, "a.jpg") == []


def test_f3_no_objects_asks_once_where_boxes_are(work, desk):
    work.draw(50, 60, 100, 90)
    work.keys("o")
    work.page.get_by_role("button", name="Submit as no objects").click()
    assert labels_of(work, desk, "a.jpg") == []


def test_f1_skip_with_a_reason(work, desk):
    work.keys("s")
    work.page.get_by_label("Reason").select_option("Image quality")
    work.page.get_by_role("button", name="Skip", exact=True).last.click()
    work.ready("b.jpg")
    assert desk.task("a.jpg").events.last().detail == {"reason": "Image quality"}


def test_a_problem_is_reported_and_the_task_set_aside(work, desk):
    work.keys("p")
    work.page.get_by_label("What is wrong").fill("The image is black")
    work.page.get_by_role("button", name="Report", exact=True).click()
    work.ready("b.jpg")
    assert desk.task("a.jpg").state == TaskState.PROBLEM


def test_f4_only_active_seconds_count(work, page):
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 3_600_000)
    clock = "document.querySelector('#stage').flow.clock"
    page.evaluate(f"{clock}.start(0)")
    for _ in range(3):
        page.clock.run_for(10_000)
        work.keys("Escape")
    assert abs(page.evaluate(f"{clock}.seconds") - 30) <= 1
    page.clock.run_for(300_000)
    expect(page.locator(".clock")).to_have_attribute("title", "Paused: a minute without a sign of work counts nothing")
    work.keys("Escape")
    assert abs(page.evaluate(f"{clock}.seconds") - 30) <= 1


def test_f5_the_sheet_is_searchable_and_keys_can_be_changed_with_a_warning(work, page):
    work.keys("?")
    sheet = page.locator("#dialog-keys")
    sheet.get_by_role("searchbox").fill("no objects")
    expect(sheet.locator("tbody tr")).to_have_count(1)
    sheet.locator("tbody button").click()
    page.keyboard.press("a")
    warning = page.locator("#dialog-choose")
    expect(warning).to_contain_text("A already means “Accept” (Pre-labels)")
    warning.get_by_role("button", name="Keep it there").click()
    expect(sheet.locator("tbody button")).to_have_text("O")
    sheet.locator("tbody button").click()
    with page.expect_response(lambda response: response.url.endswith("/prefs/")):
        page.keyboard.press("Alt+o")
    expect(sheet.locator("tbody button")).to_have_text("Alt+O")
    page.reload()
    work.ready("a.jpg")
    expect(page.locator("[data-action=nothing]")).to_have_attribute("title", "No objects on this image (Alt+O)")
    work.keys("Alt+o")
    work.ready("b.jpg")


def test_v2_zoom_is_fitted_anew_unless_it_is_kept(work):
    work.draw(50, 60, 100, 90)
    fitted = work.scale()
    work.zoom(3)
    work.keys("Enter")
    work.ready("b.jpg")
    assert work.scale() == fitted
    work.keys("k")
    work.zoom(3)
    work.keys("o")
    work.ready("c.jpg")
    assert work.scale() == 3
    expect(work.page.locator("#minimap")).to_be_visible()
    work.page.locator("#minimap").click()
    expect(work.page.locator("#minimap")).to_be_hidden()


def test_v3_looks_change_the_picture_and_never_the_data(work):
    work.draw(50, 60, 100, 90)
    work.saving_done()
    before = work.labels()
    work.page.get_by_text("View", exact=True).click()
    work.page.locator("[data-pref=brightness]").fill("150")
    work.page.locator("[data-pref=invert]").check()
    image = work.page.locator("#stage > img:not(.coming)")
    assert "brightness(1.5)" in image.evaluate("image => getComputedStyle(image).filter")
    with work.page.expect_response(lambda response: '"contrast":120' in (response.request.post_data or "")):
        work.page.locator("[data-pref=contrast]").fill("120")
    work.page.reload()
    work.ready("a.jpg")
    assert "contrast(1.2)" in image.evaluate("image => getComputedStyle(image).filter")
    assert work.labels() == before
    work.keys("Shift+I")
    assert image.evaluate("image => getComputedStyle(image).filter") == "none"


def test_v4_a_small_image_comes_first_and_the_whole_one_takes_its_place(page, live_url, logged_in, labeler, desk):
    logged_in(labeler)
    held = []
    page.route("**/images/*/", lambda route: held.append(route))
    work = Workspace(page, desk, live_url)
    page.goto(work.url)
    work.ready("a.jpg", whole=False)
    natural = "document.querySelector('#stage > img:not(.coming)').naturalWidth"
    assert page.evaluate(natural) == 320
    work.draw(300, 200, 60, 40)
    page.unroute("**/images/*/")  # lets go of those it held
    work.until(lambda: page.evaluate(natural) == 640)
    assert close_to(work.boxes()[0], (300, 200, 60, 40))
    work.saving_done()
    work.leave()


def test_v4_a_small_image_lies_below_a_large_one(page, live_url, logged_in, labeler, transactional_db, organization):
    desk = make_desk(organization, [Picture("a.jpg"), Picture("large.jpg", (2600, 1700))])
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    preview = "(flow => Boolean(flow.images.full(flow.tasks[1]).preview))(document.querySelector('#stage').flow)"
    work.until(lambda: page.evaluate(preview))
    work.keys("o")
    work.ready("large.jpg")
    work.zoom(0.7)
    places = page.evaluate(
        "[...document.querySelectorAll('#stage > img:not(.coming)')].map(i => [i.naturalWidth, i.getBoundingClientRect().toJSON()])"
    )
    assert [width for width, _ in places] == [320, 2600]
    assert places[0][1] == places[1][1]
    work.leave()


def test_v4_until_the_next_image_is_there_nothing_can_be_changed(work, desk, page):
    held = []
    late = desk.task("e.jpg").datapoint
    page.route(f"**/images/{late.uid}/**", lambda route: held.append(route))
    work.draw(50, 60, 100, 90)
    page.evaluate("(flow => { flow.open(flow.tasks[4]); })(document.querySelector('#stage').flow)")
    expect(page.locator("#task-name")).to_have_text("e.jpg")
    work.keys("Control+a", "Delete", "Enter", "o")
    assert len(work.boxes()) == 1
    page.unroute(f"**/images/{late.uid}/**")  # lets go of those it held
    work.ready("e.jpg")
    assert work.boxes() == []
    assert not Annotation.objects.exists()
    work.saving_done()
    assert len(desk.task("a.jpg").drafts.get().labels) == 1


def test_the_queue_shows_what_is_held_and_what_was_submitted(work, desk, labeler):
    work.keys("o")
    work.ready("b.jpg")
    work.until(lambda: Annotation.objects.count() == 1)
    work.keys("q")
    drawer = work.page.locator("#queue")
    expect(drawer.locator(".waiting li")).not_to_have_count(0)
    expect(drawer.locator(".recent .name")).to_have_text(["a.jpg"])
    drawer.locator(".waiting button", has_text="d.jpg").click()
    work.ready("d.jpg")
    work.keys("q")
    drawer.locator(".recent button").click()
    work.ready("a.jpg")
    work.keys("q")
    work.page.get_by_role("button", name="Give back what is not begun").click()
    work.until(lambda: Task.objects.filter(assignee=labeler).count() == 1)


def test_what_is_begun_is_not_given_back(work, desk, labeler):
    work.draw(50, 60, 100, 90)
    work.saving_done()
    work.keys("q")
    work.page.locator("#queue .waiting button", has_text="c.jpg").click()
    work.ready("c.jpg")
    work.keys("q")
    expect(work.page.locator("#queue .waiting li", has_text="a.jpg").locator(".note")).to_have_text("begun")
    work.page.get_by_role("button", name="Give back what is not begun").click()
    held = Task.objects.filter(assignee=labeler).order_by("datapoint__name").values_list("datapoint__name", flat=True)
    work.until(lambda: list(held.all()) == ["a.jpg", "c.jpg"])


def test_the_comments_follow_the_open_image(work, desk):
    work.draw(50, 60, 100, 90)
    work.keys("c")
    drawer = work.page.locator("#comments")
    drawer.get_by_label("New comment").fill("Car or van?")
    drawer.get_by_role("button", name="Add comment").click()
    expect(drawer.locator(".text")).to_have_text("Car or van?")
    work.stage.focus()
    work.keys("Enter")
    work.ready("b.jpg")
    expect(drawer).to_be_visible()
    expect(drawer.locator(".text")).to_have_count(0)
    drawer.get_by_label("New comment").fill("And this?")
    drawer.get_by_role("button", name="Add comment").click()
    expect(drawer.locator(".text")).to_have_text("And this?")
    assert Comment.objects.get(text="And this?").task == desk.task("b.jpg")


def test_a_list_of_comments_that_comes_late_does_not_take_away_a_newer_one(work, desk):
    held = []

    def answered_but_held(route):
        held.append((route, route.fetch()))

    work.page.route("**/comments/", answered_but_held, times=1)
    work.keys("c")
    drawer = work.page.locator("#comments")
    drawer.get_by_label("New comment").fill("Car or van?")
    work.until(lambda: held)
    drawer.get_by_role("button", name="Add comment").click()
    expect(drawer.locator(".text")).to_have_text("Car or van?")
    [(route, answer)] = held
    with work.page.expect_response("**/comments/") as late:
        route.fulfill(response=answer)
    late.value.finished()
    work.page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    expect(drawer.locator(".text")).to_have_text("Car or van?")


def test_a_comment_that_is_sent_twice_is_there_once_and_what_is_typed_meanwhile_stays(work, desk):
    work.keys("c")
    drawer = work.page.locator("#comments")
    expect(drawer.locator(".no-comments")).to_be_visible()
    work.until(lambda: not work.under_way)
    held, field = [], drawer.get_by_label("New comment")
    work.page.route("**/comments/", lambda route: held.append(route))
    field.fill("Car or van?")
    for _ in range(2):
        drawer.get_by_role("button", name="Add comment").click()
    field.fill("Or a bus?")
    work.until(lambda: held)
    work.page.unroute("**/comments/")  # lets go of those it held
    expect(drawer.locator(".text")).to_have_text("Car or van?")
    work.until(lambda: not work.under_way)
    expect(field).to_have_value("Or a bus?")
    assert Comment.objects.count() == 1


def test_comments_on_the_task_and_on_a_box(work, desk, labeler):
    work.draw(50, 60, 100, 90)
    work.saving_done()
    work.keys("c")
    drawer = work.page.locator("#comments")
    drawer.get_by_label("New comment").fill("Car or van?")
    drawer.get_by_role("button", name="Add comment").click()
    expect(drawer.locator(".text")).to_have_text("Car or van?")
    comment = Comment.objects.get()
    assert (comment.label_id, comment.author, comment.stage_name) == (work.labels()[0]["id"], labeler, "LABEL")
    work.page.evaluate("document.querySelector('#stage').editor.store.select([])")
    drawer.get_by_role("button", name="Box: car").click()
    assert work.selected() == [comment.label_id]
    drawer.get_by_role("button", name="Resolve").click()
    expect(drawer.locator("li.resolved")).to_have_count(1)
    work.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()


def test_instructions_and_class_descriptions_are_one_key_away(work):
    work.keys("w")
    dialog = work.page.locator("#dialog-instructions")
    expect(dialog).to_contain_text("Not the parked ones.")
    expect(dialog).to_contain_text("bicycle")
    work.keys("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_instructions_of_many_classes_begin_at_their_top_and_break_no_words(
    page, live_url, logged_in, labeler, transactional_db, organization, width
):
    page.set_viewport_size({"width": width, "height": 700})
    classes = [f"articulated lorry with a trailer, kind {n}" for n in range(40)]
    desk = make_desk(organization, [Picture("a.jpg")], classes=classes, instructions="Label every vehicle.")
    logged_in(labeler)
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    work.keys("w")
    dialog = page.locator("#dialog-instructions")
    expect(dialog.get_by_text("Label every vehicle.")).to_be_in_viewport()
    expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport()
    assert dialog.locator("dd").first.bounding_box()["width"] > 80
    work.keys("End")
    expect(dialog.locator("dt").last).to_be_in_viewport()
    work.keys("Escape")
    work.leave()


def test_a_reviewer_rejects_with_a_reason_and_accepts_corrected_boxes(
    page, live_url, logged_in, admin, labeler, client_of, organization, transactional_db
):
    desk = make_desk(organization, [Picture("a.jpg"), Picture("b.jpg")], blueprint="label-review")
    client = client_of(labeler)
    for task in client.post(desk.url("next")).json()["tasks"]:
        label = predicted(1, 0, [0.25, 0.25, 0.25, 0.25], 0.5) | {"source": "human"}
        data = {"labels": json.dumps([label]), "seconds": 1, "revision": task["revision"]}
        assert client.post(task["url"] + "submit/", data).status_code == 200
    review = WorkDesk(desk.project, desk.project.stages.get(name="REVIEW"))
    logged_in(admin)
    work = Workspace(page, review, live_url).open().ready("a.jpg")
    work.keys("Shift+Enter")
    page.get_by_label("What should change").fill("Too wide")
    page.locator("#dialog-reject").get_by_role("button", name="Reject").click()
    work.ready("b.jpg")
    work.until(lambda: desk.task("a.jpg").stage.name == "LABEL")
    assert desk.task("a.jpg").reserved_for == labeler
    work.click(200, 150)
    work.keys("Shift+ArrowRight", "Enter")
    work.until(lambda: desk.task("b.jpg").stage.name == "OUTPUT")
    assert desk.task("b.jpg").annotation.author == admin
    assert desk.task("b.jpg").annotation.labels[0]["bbox"][0] == pytest.approx(0.25 + 10 / 640)
    work.leave()


def test_a_reviewer_who_may_not_edit_selects_boxes_and_changes_none(
    page, live_url, logged_in, admin, labeler, client_of, organization, transactional_db
):
    desk = make_desk(organization, [Picture("a.jpg")], blueprint="label-review")
    review = WorkDesk(desk.project, desk.project.stages.get(name="REVIEW"))
    configure_stage(stage=review.stage, config={"allow_edit": False})
    (task,) = client_of(labeler).post(desk.url("next")).json()["tasks"]
    label = predicted(1, 0, [0.25, 0.25, 0.25, 0.25], 0.5) | {"source": "human"}
    data = {"labels": json.dumps([label]), "seconds": 1, "revision": task["revision"]}
    assert client_of(labeler).post(task["url"] + "submit/", data).status_code == 200
    logged_in(admin)
    work = Workspace(page, review, live_url).open().ready("a.jpg")
    before = work.boxes()
    work.drag((200, 150), (300, 250))
    assert work.selected() == ["p1"]
    work.keys("n")
    work.drag((20, 20), (100, 100))
    assert work.boxes() == before and work.selected() == []
    work.keys("c")
    expect(page.get_by_label("About the selected box")).to_be_disabled()
    work.keys("Escape")
    work.leave()
