"""Projects in a browser: from a blueprint made in place to the overview that counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.accounts.models import Organization, User
from apps.autolabel.services import flush, send_batch
from apps.common.jobs import execute
from apps.common.models import Run
from apps.labeling import transitions
from apps.labeling.models import Task
from apps.projects.models import Project
from apps.projects.pipelines import to_json
from apps.warehouse import services as warehouse
from apps.warehouse.models import LabelsetEntry
from tests.browser.workspace import Workspace
from tests.labeling.factory import label_one, make_dataset, make_labelset, make_plant, make_taxonomy, take_one
from tests.labeling.workspace_desk import WorkDesk, jpeg

LogIn = Callable[[User], None]
SIZES = ((1280, 800), (768, 1024))


def shoot(page: Page, folder: Path, name: str) -> None:
    """Pictures in both sizes and themes."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True, caret="initial")
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.django_db(transaction=True)
def test_a_project_is_made_from_a_blueprint_with_its_parts_made_in_place(
    page: Page, live_url: str, logged_in: LogIn, owner: User, screenshot_folder: Path
) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/")
    shoot(page, screenshot_folder, "projects-empty")
    page.get_by_role("link", name="New project").first.click()
    page.wait_for_url("**/projects/new/")
    page.get_by_label("Name", exact=True).fill("Street scenes")
    page.get_by_text("AutoLabel with review").click()
    expect(page.locator("#preview")).to_contain_text("Please select a dataset for the stage 'INPUT'")
    expect(page.locator("#preview svg")).to_contain_text("REVIEW")
    shoot(page, screenshot_folder, "project-create")
    page.get_by_text("Make a new dataset").click()
    page.get_by_label("Name of the new dataset").fill("Street")
    page.get_by_text("Make a new taxonomy").click()
    page.get_by_label("Name of the new taxonomy").fill("Traffic")
    page.get_by_label("Its classes, one a line").fill("car\nbus")
    page.get_by_text("Make a new labelset").click()
    page.get_by_label("Name of the new labelset").fill("Final")
    expect(page.locator("#preview")).to_contain_text("The pipeline is valid.")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Street scenes")
    run = Run.objects.get(kind="project-create")
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    execute(run.pk)
    assert Project.objects.get().status == "ready"
    page.reload()
    expect(page.get_by_text("Waiting for a worker")).to_have_count(0)
    expect(page.locator("#overview")).to_contain_text("No tasks yet")


@pytest.mark.django_db(transaction=True)
def test_the_pages_of_a_project_at_work(
    page: Page,
    live_url: str,
    logged_in: LogIn,
    organization: Organization,
    owner: User,
    labeler: User,
    admin: User,
    screenshot_folder: Path,
) -> None:
    plant = make_plant(organization, 0, "label-review", name="Bolts and nuts on a bench")
    for number in range(24):
        warehouse.add_upload(dataset=plant.dataset, file=jpeg((320, 240)), name=f"bench-{number:04}.jpg")
    label = plant.stage("LABEL")
    for _ in range(12):
        label_one(label, labeler)
    review = plant.stage("REVIEW")
    for _ in range(5):
        task = take_one(review, admin)
        transitions.accept(task_id=task.uid, user=admin, seconds=2, revision=task.revision)
    task = take_one(review, admin)
    transitions.reject(
        task_id=task.uid, user=admin, comment="The nut at the left is missing", seconds=2, revision=task.revision
    )
    troubled = take_one(label, owner)
    transitions.report_problem(task_id=troubled.uid, user=owner, text="Upside down")
    take_one(label, labeler)
    logged_in(owner)
    base = f"{live_url}/o/acme/projects/{plant.project.pk}"
    page.goto(f"{base}/")
    expect(page.locator(".donut-total")).to_have_text("24")
    shoot(page, screenshot_folder, "project-overview")
    page.get_by_text("Stages", exact=False).first.click()
    shoot(page, screenshot_folder, "project-stages-menu")
    page.get_by_role("link", name="LABEL").first.click()
    expect(page.get_by_role("heading", name="Problems")).to_be_visible()
    shoot(page, screenshot_folder, "project-stage")
    page.goto(f"{base}/tasks/")
    shoot(page, screenshot_folder, "project-tasks")
    page.get_by_label("Mark all on this page").check()
    expect(page.get_by_text("24 marked")).to_be_visible()
    rejected = Task.objects.get(pk=task.pk)
    page.goto(f"{base}/tasks/{rejected.uid}/")
    expect(page.get_by_text("The nut at the left is missing").first).to_be_visible()
    shoot(page, screenshot_folder, "project-task")
    for name in ("insights", "settings"):
        page.goto(f"{base}/{name}/")
        shoot(page, screenshot_folder, f"project-{name}")


@pytest.mark.django_db(transaction=True)
def test_a_pipeline_is_checked_as_its_json_is_typed(
    page: Page, live_url: str, logged_in: LogIn, organization: Organization, owner: User, screenshot_folder: Path
) -> None:
    taxonomy = make_taxonomy(organization)
    make_dataset(organization, 2)
    make_labelset(taxonomy)
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/new/")
    page.get_by_label("Name", exact=True).fill("By hand")
    page.get_by_label("Dataset", exact=True).select_option(label="Bench")
    page.get_by_label("Taxonomy", exact=True).select_option(label="Parts v1")
    page.get_by_label("Labelset", exact=True).select_option(label="Truth")
    page.get_by_role("button", name="Edit as JSON").click()
    page.wait_for_load_state("networkidle")
    field = page.get_by_role("textbox", name="Pipeline")
    text = field.input_value()
    expect(page.locator("#preview")).to_contain_text("The pipeline is valid.")
    field.fill(text.replace('"next": "FEEDBACK"', '"next": "NOWHERE"'))
    expect(page.locator("#preview")).to_contain_text("leads to 'NOWHERE', which is no stage.")
    shoot(page, screenshot_folder, "project-json")
    field.fill(text.replace('"LABEL"', '"DRAW_BOXES"'))
    expect(page.locator("#preview")).to_contain_text("The pipeline is valid.")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("By hand")
    assert Project.objects.get().stages.filter(name="DRAW_BOXES").exists()


@pytest.mark.django_db(transaction=True)
def test_autolabel_with_review_is_built_stage_by_stage_and_takes_a_task_to_the_labelset(
    page: Page,
    live_url: str,
    logged_in: LogIn,
    organization: Organization,
    owner: User,
    labeler: User,
    screenshot_folder: Path,
) -> None:
    taxonomy = make_taxonomy(organization)
    dataset = make_dataset(organization)
    make_labelset(taxonomy)
    for number in range(3):
        warehouse.add_upload(dataset=dataset, file=jpeg((320, 240)), name=f"bench-{number}.jpg")
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/projects/new/")
    page.get_by_label("Name", exact=True).fill("Reviewed")
    page.get_by_label("Dataset", exact=True).select_option(label="Bench")
    page.get_by_label("Taxonomy", exact=True).select_option(label="Parts v1")
    page.get_by_label("Labelset", exact=True).select_option(label="Truth")
    page.get_by_role("button", name="Edit stages").click()
    page.wait_for_load_state("networkidle")
    _build_a_review(page)
    shoot(page, screenshot_folder, "project-builder")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reviewed")
    execute(Run.objects.get(kind="project-create").pk)
    project = Project.objects.get()
    assert to_json(project.stages.all()) == to_json(project.stages.order_by("position"))
    send_batch(project.stages.get(name="ACTIVE_LEARNING"), size=1, by=owner)
    task = Task.objects.get(stage__name="LABEL")

    def at(user: User, stage: str) -> Workspace:
        logged_in(user)
        desk = WorkDesk(project, project.stages.get(name=stage))
        return Workspace(page, desk, live_url).open().ready(task.datapoint.name)

    def came_to(work: Workspace, stage: str) -> None:
        work.until(lambda: Task.objects.get(pk=task.pk).stage.name == stage)
        work.leave()

    work = at(labeler, "LABEL")
    work.draw(40, 40, 100, 80)
    work.keys("Enter")
    came_to(work, "REVIEW")
    work = at(owner, "REVIEW")
    work.keys("Shift+Enter")
    page.get_by_label("What should change").fill("One bolt is missing")
    page.locator("#dialog-reject").get_by_role("button", name="Reject").click()
    came_to(work, "LABEL")
    work = at(labeler, "LABEL")
    work.draw(180, 60, 90, 90)
    work.keys("Enter")
    came_to(work, "REVIEW")
    work = at(owner, "REVIEW")
    work.keys("Enter")
    came_to(work, "ACTIVE_LEARNING")
    execute(flush(project.stages.get(name="ACTIVE_LEARNING"), by=owner).pk)
    entry = LabelsetEntry.objects.get()
    assert (entry.task_uid, entry.source, entry.author, entry.box_count) == (task.uid, "human", labeler, 2)


def _build_a_review(page: Page) -> None:
    """From AutoLabel to AutoLabel with review: two stages more, three ports turned."""

    def card(name: str) -> Locator:
        return page.get_by_role("listitem", name=name, exact=True)

    expect(card("LABEL")).to_be_visible()
    for brick, name in (("expert-review", "EXPERT_REVIEW"), ("feedback", "FEEDBACK_2")):
        page.get_by_label("Add a stage").select_option(brick)
        page.get_by_role("button", name="Add stage").click()
        expect(card(name)).to_be_visible()
    for old, new in (("EXPERT_REVIEW", "REVIEW"), ("FEEDBACK_2", "REJECTED")):
        card(old).get_by_label("Name").fill(new)
        card(old).get_by_label("Name").press("Tab")
        expect(card(new)).to_be_visible()
    ways = (
        ("LABEL", "Next →", "REVIEW"),
        ("REVIEW", "Passed →", "FEEDBACK"),
        ("REVIEW", "Failed →", "REJECTED"),
        ("REJECTED", "Feedback →", "LABEL"),
    )
    for stage, port, target in ways:
        with page.expect_response("**/projects/new/build/"):
            card(stage).get_by_label(port).select_option(target)
    expect(page.locator("#preview")).to_contain_text("The pipeline is valid.")
