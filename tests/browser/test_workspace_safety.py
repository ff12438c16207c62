"""Nothing is lost: item S1 of the editor's specification, with a real server that goes away, ends sessions and objects."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from apps.labeling.models import Annotation, Draft, Task
from apps.projects.services import archive, unarchive
from tests.browser.workspace import Workspace, close_to, draft_boxes
from tests.labeling.workspace_desk import Picture, make_desk


@pytest.fixture
def desk(transactional_db, organization):
    return make_desk(organization, [Picture(f"{name}.jpg") for name in "abcde"])


@pytest.fixture
def open_desk(context, live_url, logged_in, labeler, desk):
    """Opens the labeling page in one more window of the same person."""
    logged_in(labeler)
    opened = []

    def open_one(ready=True):
        work = Workspace(context.new_page(), desk, live_url)
        opened.append(work)
        if ready:
            return work.open()
        work.page.goto(work.url)
        return work

    yield open_one
    for work in opened:
        work.leave()


@pytest.fixture
def work(open_desk):
    return open_desk().ready("a.jpg")


def state(work):
    return work.page.locator("#state")


LISTEN = """() => {
    const state = document.querySelector("#state");
    window.said = [];
    new MutationObserver(() => window.said.push(state.title)).observe(state, { attributeFilter: ["title"] });
}"""


def test_s1_every_change_is_saved_within_a_second_with_its_revision(work, desk, labeler):
    work.page.evaluate(LISTEN)
    work.draw(50, 60, 100, 90)
    work.saving_done()
    said = work.page.evaluate("window.said")
    assert (said[0], said[-1]) == ("Not saved yet", "Saved")
    revision = desk.task("a.jpg").revision
    work.keys("Control+a", "2")
    work.saving_done()
    assert desk.task("a.jpg").revision == revision + 1
    assert Draft.objects.get(user=labeler).labels[0]["category"] == 1
    assert Draft.objects.get(user=labeler).seconds > 0


def test_s1_offline_work_and_a_submit_are_kept_and_replayed(work, desk, labeler, context, console):
    console.expect("ERR_INTERNET_DISCONNECTED")
    work.loaded_ahead()
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    work.draw(50, 60, 100, 90)
    expect(state(work)).to_have_text("Offline: kept in this browser")
    work.keys("Enter")
    work.ready("b.jpg")
    work.draw(10, 20, 30, 40)
    expect(state(work)).to_have_text("Offline: kept in this browser (2 tasks)")
    assert not Annotation.objects.exists()
    context.set_offline(False)
    work.saving_done()
    assert close_to([part * side for part, side in zip(
        desk.task("a.jpg").annotation.labels[0]["bbox"], [640, 480] * 2, strict=True)], (50, 60, 100, 90))  # fmt: skip
    assert close_to(draft_boxes(desk, "b.jpg", labeler)[0], (10, 20, 30, 40))


def test_s1_work_of_a_closed_window_is_replayed_by_the_next(work, open_desk, desk, labeler, context, console):
    console.expect("ERR_INTERNET_DISCONNECTED")
    console.expect("status of 409")  # the closing window may have sent it without hearing the answer
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    work.draw(50, 60, 100, 90)
    expect(state(work)).to_have_text("Offline: kept in this browser")
    work.page.close(run_before_unload=False)
    context.set_offline(False)
    again = open_desk().ready("a.jpg")
    again.saving_done()
    assert close_to(again.boxes()[0], (50, 60, 100, 90))
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (50, 60, 100, 90))
    again.keys("Control+z")
    assert again.boxes() == []
    again.saving_done()


def test_s1_a_save_whose_answer_was_lost_is_no_conflict(work, open_desk, desk, labeler, console):
    console.expect("ERR_FAILED")
    lost = []

    def lose(route):
        lost.append(route.fetch())
        route.abort()

    work.page.route("**/save/", lose, times=1)
    work.draw(50, 60, 100, 90)
    console.expect("status of 409")
    work.saving_done()
    assert [answer.status for answer in lost] == [200]
    assert work.page.locator("#dialog-conflict").is_hidden()
    work.keys("ArrowLeft")
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (49, 60, 100, 90))


def test_s1_a_save_whose_answer_was_lost_is_no_conflict_although_one_drew_on(work, desk, labeler, console):
    console.expect("ERR_FAILED")
    console.expect("status of 409")
    held = []
    work.page.route("**/save/", lambda route: held.append((route, route.fetch())), times=1)
    work.draw(50, 60, 100, 90)
    work.until(lambda: held)
    work.draw(200, 200, 80, 70)
    [(route, answer)] = held
    assert answer.status == 200
    route.abort()
    work.saving_done()
    assert work.page.locator("#dialog-conflict").is_hidden()
    assert len(draft_boxes(desk, "a.jpg", labeler)) == 2


def test_s1_what_is_refused_as_it_stands_is_said_and_not_sent_for_ever(work, open_desk, desk, labeler, console):
    console.expect("status of 409")
    work.draw(50, 60, 100, 90)
    work.saving_done()
    archive(project=desk.project, by=None)
    sent = []
    work.page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/submit/") else None)
    work.keys("Enter")
    expect(work.page.locator("#hint")).to_contain_text("archived")
    work.ready("a.jpg")
    expect(state(work)).to_have_text("Not saved")
    assert len(work.boxes()) == len(sent) == 1
    work.page.close(run_before_unload=False)
    again = open_desk(ready=False)
    expect(again.page.get_by_role("heading", name="The next task cannot be fetched")).to_be_visible()
    unarchive(project=desk.project, by=None)
    again.page.evaluate("void document.querySelector('#stage').flow.wake()")
    again.ready("a.jpg").keys("Enter")
    again.until(lambda: Annotation.objects.filter(task=desk.task("a.jpg")).exists())
    assert len(desk.task("a.jpg").annotation.labels) == 1


def test_a_row_of_the_queue_does_not_open_what_has_been_submitted_meanwhile(work, desk, context, console):
    console.expect("ERR_INTERNET_DISCONNECTED")
    work.draw(50, 60, 100, 90)
    work.saving_done()
    work.loaded_ahead()
    work.keys("q")
    rows = work.page.locator("#queue .waiting li")
    expect(rows.filter(has_text="a.jpg")).to_have_count(1)
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    work.stage.focus()
    work.draw(200, 200, 80, 70)
    work.keys("Enter")
    work.ready("b.jpg")
    expect(rows.filter(has_text="b.jpg")).to_have_count(1)
    expect(rows.filter(has_text="a.jpg")).to_have_count(0)
    context.set_offline(False)
    work.until(lambda: Annotation.objects.filter(task=desk.task("a.jpg")).exists())
    assert len(desk.task("a.jpg").annotation.labels) == 2


def test_giving_back_keeps_the_list_of_what_one_has_submitted(work, desk):
    work.draw(50, 60, 100, 90)
    work.keys("Enter")
    work.ready("b.jpg").saving_done()
    work.keys("q")
    submitted = work.page.locator("#queue .recent li")
    expect(submitted).to_have_count(1)
    work.page.get_by_role("button", name="Give back what is not begun").click()
    expect(work.page.locator("#hint")).to_contain_text("given back")
    expect(submitted).to_have_count(1)


def test_what_is_drawn_after_the_last_submit_belongs_to_no_task(work, desk):
    work.until(lambda: len(work.page.evaluate("document.querySelector('#stage').flow.tasks")) == 5)
    work.loaded_ahead()
    desk.stage.project.tasks.exclude(datapoint__name="a.jpg").delete()
    work.page.evaluate("(flow => { flow.tasks = flow.tasks.slice(0, 1); })(document.querySelector('#stage').flow)")
    work.draw(50, 60, 100, 90)
    work.saving_done()
    held = []
    work.page.route("**/next/", lambda route: held.append(route), times=1)
    work.keys("Enter")
    work.until(lambda: held)
    work.keys("n")
    work.drag((200, 200), (280, 270))
    work.keys("Enter")
    held[0].continue_()
    expect(work.page.get_by_role("heading", name="Nothing left to label here")).to_be_visible()
    work.saving_done()
    assert not Draft.objects.exists() and Annotation.objects.count() == 1
    assert len(desk.task("a.jpg").annotation.labels) == 1


def test_s1_a_submit_whose_answer_was_lost_is_no_conflict_and_counts_once(work, desk, console):
    console.expect("ERR_FAILED")
    console.expect("status of 409")
    lost = []

    def lose(route):
        lost.append(route.fetch())
        route.abort()

    work.draw(50, 60, 100, 90)
    work.saving_done()
    work.page.route("**/submit/", lose, times=1)
    work.keys("Enter")
    work.ready("b.jpg")
    work.saving_done()
    assert [answer.status for answer in lost] == [200]
    assert work.page.locator("#dialog-conflict").is_hidden()
    assert Annotation.objects.filter(task=desk.task("a.jpg")).count() == 1


def test_s1_going_back_or_closing_in_the_middle_of_a_drag_loses_only_the_drag(work, open_desk, console):
    console.expect("status of 409")  # what was sent as the page was left may have arrived
    work.draw(50, 60, 100, 90)
    work.written_down(1)
    work.move(100, 100)
    work.page.mouse.down()
    work.move(140, 120)
    work.page.go_back()
    work.page.mouse.up()
    work.page.go_forward()
    work.ready("a.jpg").saving_done()
    assert close_to(work.boxes()[0], (50, 60, 100, 90))
    work.draw(300, 200, 80, 70)
    work.written_down(2)
    work.move(340, 230)
    work.page.mouse.down()
    work.move(390, 240)
    work.page.close(run_before_unload=False)
    again = open_desk().ready("a.jpg")
    again.saving_done()
    assert len(again.boxes()) == 2
    assert close_to(again.boxes()[1], (300, 200, 80, 70))


def test_s1_an_ended_session_asks_to_log_in_in_place(work, desk, labeler, console):
    console.expect("status of 400")
    Session.objects.all().delete()
    work.draw(50, 60, 100, 90)
    dialog = work.page.locator("#dialog-login")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("E-mail")).to_have_value(labeler.email)
    dialog.get_by_label("Password").fill("not this one")
    dialog.get_by_role("button", name="Log in", exact=True).click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    dialog.get_by_label("Password").fill("correct horse battery")
    dialog.get_by_role("button", name="Log in", exact=True).click()
    expect(dialog).to_be_hidden()
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (50, 60, 100, 90))


def log_in_again(work):
    dialog = work.page.locator("#dialog-login")
    dialog.get_by_label("Password").fill("correct horse battery")
    dialog.get_by_role("button", name="Log in", exact=True).click()


def test_s1_a_page_left_open_saves_nothing_while_somebody_else_is_logged_in(
    work, desk, labeler, admin, logged_in, console
):
    console.expect("status of 401")
    logged_in(admin)
    work.draw(50, 60, 100, 90)
    expect(work.page.locator("#dialog-login")).to_be_visible()
    assert not Draft.objects.exists()
    logged_in(labeler)
    log_in_again(work)
    expect(work.page.locator("#dialog-login")).to_be_hidden()
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (50, 60, 100, 90))


GATE = {"status": 200, "content_type": "text/html", "body": "<h1>Welcome to our network</h1>"}
BROKEN = {"status": 200, "content_type": "application/json", "body": '{"revi'}


@pytest.mark.parametrize("answer", [GATE, BROKEN], ids=["a page of the network's gate", "half an answer"])
def test_s1_what_is_no_answer_of_the_server_is_no_save(work, desk, labeler, answer):
    work.page.route("**/save/", lambda route: route.fulfill(**answer))
    work.draw(50, 60, 100, 90)
    expect(state(work)).to_have_text("Offline: kept in this browser")
    assert not Draft.objects.exists()
    work.page.unroute("**/save/")
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (50, 60, 100, 90))


def test_s1_work_on_a_task_that_is_gone_is_set_aside_and_the_next_one_opens(work, desk, console):
    console.expect("status of 404")
    desk.task("a.jpg").delete()
    work.draw(50, 60, 100, 90)
    expect(work.page.locator("#hint")).to_contain_text("a.jpg is no longer here")
    work.ready("b.jpg")
    work.saved()
    assert work.waiting() == 0


def test_s1_without_a_connection_the_page_says_so_and_goes_on_by_itself(work, desk, context, console):
    console.expect("ERR_INTERNET_DISCONNECTED")
    work.until(lambda: len(work.page.evaluate("document.querySelector('#stage').flow.tasks")) == 5)
    work.loaded_ahead()
    desk.stage.project.tasks.exclude(datapoint__name="a.jpg").delete()
    work.page.evaluate("(flow => { flow.tasks = flow.tasks.slice(0, 1); })(document.querySelector('#stage').flow)")
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    work.draw(50, 60, 100, 90)
    work.keys("Enter")
    expect(work.page.get_by_role("heading", name="The next task cannot be fetched")).to_be_visible()
    context.set_offline(False)
    expect(work.page.get_by_role("heading", name="Nothing left to label here")).to_be_visible()
    work.until(lambda: Annotation.objects.count() == 1)
    work.saved()


def test_a_list_of_tasks_from_before_a_submit_does_not_bring_its_task_back(work):
    """The save that is under way while one submits has made the task newer than the page knows."""
    held, page = {}, work.page

    def hold(route):
        held[route.request.url.rstrip("/").rpartition("/")[2]] = route

    def listed(route):
        held["next"] = route, route.fetch()

    page.route(re.compile(r"/(save|submit)/$"), hold)
    page.route("**/next/", listed)
    work.draw(50, 60, 100, 90)
    work.until(lambda: "save" in held)
    work.keys("Enter")
    work.ready("b.jpg")
    held["save"].continue_()
    work.until(lambda: "submit" in held)
    page.evaluate("void document.querySelector('#stage').flow.more()")
    work.until(lambda: "next" in held)
    held["submit"].continue_()
    work.saving_done()
    route, answer = held["next"]
    assert "a.jpg" in answer.text()
    route.fulfill(response=answer)
    work.until(lambda: not work.under_way)
    names = "document.querySelector('#stage').flow.tasks.map(({name}) => name)"
    assert page.evaluate(names) == [f"{name}.jpg" for name in "bcde"]


@pytest.fixture
def two_windows(work, open_desk, console):
    """The second window knows the revision from before the first one's save."""
    console.expect("status of 409")
    other = open_desk().ready("a.jpg")
    work.page.bring_to_front()
    work.draw(50, 60, 100, 90)
    work.saving_done()
    other.page.bring_to_front()
    other.draw(300, 200, 80, 70)
    expect(other.page.locator("#dialog-conflict")).to_be_visible()
    return other


def test_two_windows_in_conflict_show_both_versions_and_keep_mine(two_windows, desk, labeler):
    dialog = two_windows.page.locator("#dialog-conflict")
    expect(dialog).to_contain_text("Two versions of a.jpg")
    expect(dialog).to_contain_text("changed elsewhere")
    expect(dialog.locator(".mine svg rect")).to_have_count(1)
    expect(dialog.locator(".theirs svg rect")).to_have_count(1)
    dialog.get_by_role("button", name="Keep mine").click()
    two_windows.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (300, 200, 80, 70))


def test_escape_decides_no_conflict(two_windows, desk, labeler):
    dialog = two_windows.page.locator("#dialog-conflict")
    two_windows.keys("Escape", "Escape")
    expect(dialog).to_be_visible()
    assert close_to(two_windows.boxes()[0], (300, 200, 80, 70))
    dialog.get_by_role("button", name="Keep mine").click()
    two_windows.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (300, 200, 80, 70))


def test_two_windows_in_conflict_take_the_newer_one_and_paste_mine(two_windows, desk, labeler):
    two_windows.page.get_by_role("button", name="Take the newer one").click()
    two_windows.until(lambda: close_to(two_windows.boxes()[0], (50, 60, 100, 90)))
    two_windows.stage.focus()
    two_windows.keys("Control+v")
    two_windows.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[1], (300, 200, 80, 70))


def test_a_task_whose_lease_ran_out_and_went_to_somebody_else_is_put_aside(
    work, desk, admin, labeler, client_of, console
):
    console.expect("status of 409")
    work.draw(50, 60, 100, 90)
    work.saving_done()
    Task.objects.filter(assignee=labeler).update(leased_until=timezone.now() - timedelta(seconds=1))
    names = [task["name"] for task in client_of(admin).post(desk.url("next")).json()["tasks"]]
    assert "a.jpg" in names
    work.draw(200, 200, 50, 50)
    dialog = work.page.locator("#dialog-conflict")
    expect(dialog).to_contain_text("no longer assigned to you")
    expect(dialog.get_by_role("button", name="Keep mine")).to_be_hidden()
    dialog.get_by_role("button", name="Put mine aside and go on").click()
    expect(dialog).to_be_hidden()
    assert desk.task("a.jpg").assignee == admin
    work.until(lambda: work.page.evaluate("document.querySelector('#stage').editor.clipboard.length") == 2)


def give_away(names, labeler, admin, client_of, desk):
    """What the labeler holds of these goes to the admin."""
    held = Task.objects.filter(assignee=labeler, datapoint__name__in=names)
    held.update(leased_until=timezone.now() - timedelta(seconds=1))
    taken = [task["name"] for task in client_of(admin).post(desk.url("next")).json()["tasks"]]
    assert set(names) <= set(taken)


def test_of_two_conflicts_at_once_each_is_shown_and_decided_by_itself(
    work, desk, admin, labeler, client_of, context, console
):
    console.expect("ERR_INTERNET_DISCONNECTED")
    console.expect("status of 409")
    work.loaded_ahead()
    work.until(lambda: not work.under_way)
    context.set_offline(True)
    for name in ("b.jpg", "c.jpg"):
        work.draw(50, 60, 100, 90)
        work.keys("Enter")
        work.ready(name)
    give_away(["a.jpg", "b.jpg"], labeler, admin, client_of, desk)
    context.set_offline(False)
    dialog = work.page.locator("#dialog-conflict")
    aside = dialog.get_by_role("button", name="Put mine aside and go on")
    expect(aside).to_be_visible(timeout=20_000)
    first = dialog.locator("[data-name]").text_content()
    aside.click()
    other = {"a.jpg": "b.jpg", "b.jpg": "a.jpg"}[first]
    expect(dialog.locator("[data-name]")).to_have_text(other, timeout=20_000)
    expect(dialog).to_be_visible()
    assert work.waiting() == 1
    aside.click()
    expect(dialog).to_be_hidden()
    work.until(lambda: work.waiting() == 0)


def test_a_dialog_s_answer_is_about_the_task_it_was_opened_for(work, desk, admin, labeler, client_of, console):
    console.expect("status of 409")
    work.keys("s")
    dialog = work.page.locator("#dialog-skip")
    expect(dialog).to_be_visible()
    give_away(["a.jpg"], labeler, admin, client_of, desk)
    work.page.evaluate("void document.querySelector('#stage').flow.renew()")
    expect(work.page.locator("#task-name")).to_have_text("b.jpg")
    dialog.get_by_label("More").fill("Too dark")
    dialog.get_by_role("button", name="Skip").click()
    expect(work.page.locator("#hint")).to_contain_text("no longer assigned to you")
    work.ready("b.jpg")
    assert desk.task("b.jpg").assignee == labeler
    assert not Task.objects.filter(state="skipped").exists()


def test_f3_a_task_is_not_skipped_before_what_was_drawn_is_on_the_server(work, desk, labeler, console):
    console.expect("status of 502")
    work.page.route("**/save/", lambda route: route.fulfill(status=502, body="Bad gateway"))
    work.draw(50, 60, 100, 90)
    work.keys("s")
    dialog = work.page.locator("#dialog-skip")
    dialog.get_by_label("More").fill("Too dark")
    dialog.get_by_role("button", name="Skip").click()
    expect(work.page.locator("#hint")).to_have_text("a.jpg stays: what you drew is not saved yet")
    work.page.unroute("**/save/")
    work.saving_done()
    assert close_to(draft_boxes(desk, "a.jpg", labeler)[0], (50, 60, 100, 90))
    work.draw(300, 200, 80, 70)
    assert len(work.boxes()) == 2, "and it can be worked on"


def test_a_lease_that_ran_out_with_nobody_waiting_goes_on(work, desk, labeler):
    Task.objects.filter(assignee=labeler).update(leased_until=timezone.now() - timedelta(seconds=1))
    work.draw(50, 60, 100, 90)
    work.saving_done()
    assert desk.task("a.jpg").leased_until > timezone.now()


def test_a_task_that_went_to_somebody_else_untouched_makes_room_for_the_next(
    context, desk, live_url, logged_in, labeler, admin, client_of
):
    logged_in(labeler)
    page = context.new_page()
    page.clock.install()
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    Task.objects.filter(assignee=labeler).exclude(datapoint__name="c.jpg").update(
        leased_until=timezone.now() - timedelta(seconds=1)
    )
    assert len(client_of(admin).post(desk.url("next")).json()["tasks"]) == 4
    page.clock.fast_forward("05:01")
    work.ready("c.jpg")
    expect(page.locator("#hint")).to_have_text("a.jpg went to somebody else")
    work.leave()


def test_the_open_page_renews_its_leases(context, desk, live_url, logged_in, labeler):
    logged_in(labeler)
    page = context.new_page()
    page.clock.install()
    work = Workspace(page, desk, live_url).open().ready("a.jpg")
    Task.objects.filter(assignee=labeler).update(leased_until=timezone.now() + timedelta(seconds=30))
    with page.expect_response(lambda response: response.url.endswith("/renew/")):
        page.clock.fast_forward("05:01")
    assert Task.objects.filter(leased_until__gt=timezone.now() + timedelta(minutes=20)).count() == 5
    work.leave()


def test_labels_that_the_server_refuses_come_back_as_a_draft(work, desk, console):
    console.expect("status of 422")
    work.draw(50, 60, 100, 90)
    work.saving_done()
    desk.stage.taxonomy.categories.filter(class_id=0).delete()
    work.keys("Enter")
    expect(work.page.locator("#hint")).to_contain_text("class 0 is not in the taxonomy")
    work.ready("a.jpg")
    assert len(work.boxes()) == 1
    assert not Annotation.objects.exists()
    work.keys("Control+a", "2")
    work.saving_done()
