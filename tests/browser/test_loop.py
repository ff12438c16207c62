"""The whole loop in a browser: from signing up to the COCO file that holds what was drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.autolabel.models import Prediction
from apps.labeling.models import Task
from apps.projects.models import Project
from apps.warehouse.models import Dataset, Labelset
from config.processes import wait_until
from tests.autolabel.loop import Box, boxes_of
from tests.browser.workspace import Workspace, close_to
from tests.conftest import WorkerProcess
from tests.detector.pictures import draw, encode

SIZE = (480, 360)
NUMBERS = [number for number in range(40) if boxes_of(number)][:20]
BATCH = 14
SECONDS = 600
StartWorker = Callable[..., WorkerProcess]


class Shots:
    """Numbered pictures of the way through the product."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder, self.count = page, folder, 0

    def take(self, name: str) -> None:
        self.count += 1
        self.page.screenshot(path=self.folder / f"loop-{self.count:02}-{name}.png", full_page=True, caret="initial")


def in_pixels(box: Box) -> tuple[float, ...]:
    return tuple(round(part * side) for part, side in zip(box[1], SIZE * 2, strict=True))


def sign_up(page: Page, url: str) -> None:
    page.goto(f"{url}/accounts/signup/")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Name of the organization").fill("Acme")
    page.get_by_role("button", name="Create organization").click()
    expect(page).to_have_url(f"{url}/o/acme/projects/")


def make_project(page: Page, url: str) -> Project:
    """AutoLabel, with dataset, taxonomy and labelset made in place."""
    page.goto(f"{url}/o/acme/projects/new/")
    page.get_by_label("Name", exact=True).fill("Colors")
    page.get_by_text("Make a new dataset").click()
    page.get_by_label("Name of the new dataset").fill("Pictures")
    page.get_by_text("Make a new taxonomy").click()
    page.get_by_label("Name of the new taxonomy").fill("Colors")
    page.get_by_label("Its classes, one a line").fill("red\nblue")
    page.get_by_text("Make a new labelset").click()
    page.get_by_label("Name of the new labelset").fill("Labels")
    expect(page.locator("#preview")).to_contain_text("The pipeline is valid.")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Colors")
    project = Project.objects.get()
    assert wait_until(lambda: Project.objects.get().status == "ready", SECONDS)
    return project


def upload(page: Page, url: str, folder: Path) -> None:
    files = []
    for number in NUMBERS:
        files.append(folder / f"{number:04}.png")
        files[-1].write_bytes(encode(draw(boxes_of(number), SIZE)))
    page.goto(url + reverse("warehouse:upload", args=["acme", Dataset.objects.get().pk]))
    page.locator("#files").set_input_files(files)
    expect(page.locator("#upload")).to_have_attribute("data-state", "done", timeout=SECONDS * 1000)
    assert wait_until(lambda: Task.objects.count() == len(NUMBERS), SECONDS)


def label_batch(page: Page, url: str, project: Project) -> dict[str, list[tuple[int, tuple[float, ...]]]]:
    """Draw the boxes of every task in LABEL by mouse; what was drawn, by the image's name."""
    path = reverse("labeling:workspace", args=["acme", project.uid, "LABEL"])
    work = Workspace(page, SimpleNamespace(path=path), url).open()  # type: ignore[arg-type]
    drawn: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
    for number in range(BATCH):
        name = page.locator("#task-name").inner_text()
        drawn[name] = [(box[0], in_pixels(box)) for box in boxes_of(int(name.removesuffix(".png")))]
        for category, box in drawn[name]:
            work.keys("Escape", str(category + 1))  # a class key would re-class the box that is selected
            x, y, w, h = box
            work.draw(x, y, w, h)
        work.saving_done()
        work.keys("Enter")
        work.until(lambda done=number + 1: Task.objects.filter(in_training_set=True).count() == done, SECONDS)
        if number + 1 < BATCH:
            work.until(lambda before=name: page.locator("#task-name").inner_text() != before)
            work.ready()
    work.leave()
    return drawn


def act(page: Page, button: str, confirm: str) -> None:
    """One of the stage's actions, through its dialog."""
    page.get_by_role("button", name=button, exact=True).first.click()
    page.locator("dialog[open]").get_by_role("button", name=confirm, exact=True).click()


def boxes_in(coco: dict[str, Any], name: str) -> list[tuple[str, list[float]]]:
    image = next(image for image in coco["images"] if image["file_name"] == name)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    rows = [row for row in coco["annotations"] if row["image_id"] == image["id"]]
    return sorted((names[row["category_id"]], row["bbox"]) for row in rows)


@pytest.mark.django_db(transaction=True)
def test_from_sign_up_to_the_coco_file(
    page: Page, live_url: str, start_worker: StartWorker, tmp_path: Path, screenshot_folder: Path
) -> None:
    shots = Shots(page, screenshot_folder)
    start_worker("default", "training", "inference")
    sign_up(page, live_url)
    project = make_project(page, live_url)
    shots.take("project")
    upload(page, live_url, tmp_path)
    shots.take("upload")
    dashboard = live_url + reverse("autolabel:dashboard", args=["acme", project.pk, "ACTIVE_LEARNING"])
    page.goto(dashboard)
    shots.take("new-stage")
    page.get_by_role("button", name="Send batch", exact=True).first.click()
    page.locator("dialog[open]").get_by_label("Images").fill(str(BATCH))
    shots.take("send-batch")
    page.locator("dialog[open]").get_by_role("button", name="Send batch").click()
    expect(page.get_by_text(f"Batch 1 is sent: {BATCH} images.")).to_be_visible()
    drawn = label_batch(page, live_url, project)

    page.goto(dashboard)
    act(page, "Trigger cycle", "Trigger cycle")
    shots.take("cycle-running")
    assert wait_until(lambda: Prediction.objects.filter(rank__isnull=False).count() == 6, SECONDS)
    expect(page.get_by_text("Cycle 1, expected agreement").or_(page.get_by_text("Not calibrated yet"))).to_be_visible(
        timeout=SECONDS * 1000
    )
    shots.take("cycle-done")
    page.get_by_role("link", name="Tasks queue").click()
    expect(page.get_by_text("ordered by cycle 1")).to_be_visible()
    shots.take("queue")
    ranked = Prediction.objects.order_by("rank").values_list("task__datapoint__name", flat=True)
    assert page.locator("tbody th").all_inner_texts() == list(ranked)

    page.goto(dashboard)
    page.get_by_role("button", name="Flush tasks").click()
    expect(page.locator("#flush-preview")).to_contain_text(f"{BATCH} leave with their labels")
    shots.take("flush")
    page.locator("dialog[open]").get_by_role("button", name="Flush", exact=True).click()
    labelset = Labelset.objects.get()
    assert wait_until(lambda: labelset.entries.count() == len(NUMBERS), SECONDS)
    page.goto(live_url + reverse("warehouse:labelset", args=["acme", labelset.pk]))
    shots.take("labelset")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export COCO").click()
    coco = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert len(coco["images"]) == len(NUMBERS)
    for name, boxes in drawn.items():
        found = boxes_in(coco, name)
        wanted = sorted((["red", "blue"][category], list(box)) for category, box in boxes)
        assert [label for label, _ in found] == [label for label, _ in wanted], name
        assert all(close_to(a[1], b[1], 1) for a, b in zip(found, wanted, strict=True)), (name, found, wanted)
