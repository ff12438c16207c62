"""Filling a dataset and looking at a labelset in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import Organization, User
from apps.warehouse import methods
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Dataset
from tests.browser.conftest import Console
from tests.warehouse.bucket import BUCKET, REGION, Bucket
from tests.warehouse.bucket_fixtures import bucket, s3_server
from tests.warehouse.factory import make_datapoint, make_dataset, make_label, make_labelset, make_picture

__all__ = ["bucket", "s3_server"]

DECODE = """async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  return [image.naturalWidth, image.naturalHeight];
}"""


def until(page: Page, condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it comes true in time. The page's requests go on meanwhile: they all pass through this thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        page.wait_for_timeout(100)
    return True


@pytest.fixture
def warehouse(live_url: str, owner: User, logged_in: Callable[[User], None]) -> str:
    """The address of the organization, with its owner logged in."""
    logged_in(owner)
    return f"{live_url}/o/acme"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Seven pictures of several kinds, and three files that are none."""
    made = []
    for number in range(6):
        made.append(tmp_path / f"picture-{number}.jpg")
        made[-1].write_bytes(make_picture(320, 240))
    for name, data in [
        ("scan.tif", make_picture(320, 240, "TIFF")),
        ("text.jpg", b"I am a text"),
        ("empty.jpg", b""),
        ("cut.png", make_picture(320, 240, "PNG")[:150]),
    ]:
        made.append(tmp_path / name)
        made[-1].write_bytes(data)
    return made


def test_a_dataset_is_made_filled_and_looked_at(
    page: Page, warehouse: str, files: list[Path], console: Console, screenshot_folder: Path
) -> None:
    console.expect("status of 422")
    page.goto(f"{warehouse}/datasets/")
    page.get_by_role("button", name="New dataset").first.click()
    page.get_by_label("Name").fill("Blood cells")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", name="Import data")).to_be_visible()
    page.wait_for_load_state()
    page.locator("#files").set_input_files(files)
    expect(page.locator("#upload")).to_have_attribute("data-state", "done", timeout=300_000)
    expect(page.get_by_text("7 of 10 images are in")).to_be_visible()
    failures = page.locator("[data-failures]")
    expect(failures.get_by_role("heading")).to_have_text("3 files did not come in")
    expect(failures.get_by_role("row", name="empty.jpg")).to_contain_text("The file is empty.")
    expect(failures.get_by_role("row", name="text.jpg")).to_contain_text("Not a picture")
    page.screenshot(path=screenshot_folder / "upload.png", caret="initial")

    # Logging in again in another tab changes the token.
    page.context.add_cookies([{"name": "csrftoken", "value": "a" * 32, "domain": "localhost", "path": "/"}])
    page.locator("#files").set_input_files(files[:1])
    expect(failures.get_by_role("row", name="picture-0.jpg")).to_contain_text("already")

    page.get_by_role("link", name="Back to Blood cells").click()
    expect(page.locator(".thumb img")).to_have_count(7)
    for image in page.locator(".thumb img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("(image) => image.naturalWidth") > 0
    page.screenshot(path=screenshot_folder / "dataset.png", caret="initial")
    page.wait_for_load_state()
    page.get_by_label("Search").fill("scan")
    expect(page.locator(".thumb")).to_have_count(1)
    page.locator(".thumb").click()
    expect(page.get_by_role("heading", name="scan.tif")).to_be_visible()


def test_the_arrow_keys_walk_through_a_dataset(page: Page, warehouse: str, organization: Organization) -> None:
    dataset: Dataset = make_dataset(organization)
    points = [make_datapoint(dataset, f"{name}.jpg", width=320, height=240) for name in "abc"]
    page.goto(f"{warehouse}/datasets/{dataset.pk}/datapoints/{points[0].uid}/")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="b.jpg")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("+")
    expect(page.locator(".viewer svg")).to_have_attribute("viewBox", "32 24 256 192")
    page.keyboard.press("0")
    expect(page.locator(".viewer svg")).to_have_attribute("viewBox", "0 0 320 240")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name="a.jpg")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(page.locator(".thumb")).to_have_count(3)


def test_a_labelset_shows_images_with_their_boxes(
    page: Page, warehouse: str, organization: Organization, owner: User, screenshot_folder: Path
) -> None:
    dataset, labelset = make_dataset(organization), make_labelset(organization)
    points = [make_datapoint(dataset, f"{name}.jpg", width=320, height=240) for name in "ab"]
    human = [make_label(0), make_label(1, [0.5, 0.1, 0.25, 0.25])]
    model = [make_label(1, [0.1, 0.1, 0.5, 0.5], source="model", confidence=0.875)]
    upsert_entries(labelset.pk, [EntryRow(points[0].pk, human, "human", author_id=owner.pk)])
    upsert_entries(labelset.pk, [EntryRow(points[1].pk, model, "model", confidence=0.8, cycle=2)])
    page.goto(f"{warehouse}/labelsets/{labelset.pk}/")
    expect(page.locator(".viewer .box")).to_have_count(2)
    page.screenshot(path=screenshot_folder / "labelset.png", caret="initial")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".viewer .box.predicted")).to_have_count(1)
    expect(page.locator("#entry")).to_contain_text("confidence 0.800, cycle 2")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export COCO").click()
    assert waiting.value.suggested_filename == "Final.json"


def test_a_taxonomy_is_typed_previewed_and_made(page: Page, warehouse: str, screenshot_folder: Path) -> None:
    page.goto(f"{warehouse}/taxonomies/new/")
    page.get_by_label("Name").fill("Roads")
    page.get_by_label("Categories").fill("vehicle\n  car\n  truck\nperson")
    expect(page.locator("#preview")).to_contain_text("truck")
    page.screenshot(path=screenshot_folder / "taxonomy-new.png", caret="initial")
    page.get_by_role("button", name="Create taxonomy").click()
    expect(page.get_by_role("heading", name="Roads")).to_be_visible()
    expect(page.locator(".tree")).to_contain_text("class 3")


def test_sizes_are_those_that_the_browser_shows(page: Page, warehouse: str, organization: Organization) -> None:
    """What Winnow stores of a turned picture is what a browser makes of it, for every kind of file."""
    dataset = make_dataset(organization)
    kinds = [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")]
    for kind, suffix in kinds:
        for orientation in range(1, 9):
            make_datapoint(
                dataset, f"{orientation}.{suffix}", width=64, height=48, format=kind, orientation=orientation
            )
    page.goto(f"{warehouse}/datasets/{dataset.pk}/")
    for point in dataset.datapoints.all():
        size = page.evaluate(
            DECODE,
            f"{warehouse}/images/{point.uid}/",
        )
        assert size == [point.width, point.height], point.name


def test_a_bucket_is_imported_watched_retried_and_undone(
    page: Page,
    warehouse: str,
    organization: Organization,
    bucket: Bucket,
    start_worker: Callable[..., object],
    screenshot_folder: Path,
) -> None:
    for number in range(30):
        bucket.put(f"in/{number:02}.jpg", make_picture(320, 240))
    bucket.put("in/broken.jpg", b"I am a text")
    key, secret = bucket.user("s3:GetObject", "s3:ListBucket")
    dataset = make_dataset(organization)

    page.goto(f"{warehouse}/storage/")
    page.get_by_role("button", name="Add S3").first.click()
    dialog = page.get_by_role("dialog", name="Add S3 storage")
    for label, text in [
        ("Name", "Bucket"), ("Bucket", BUCKET), ("Region", REGION), ("Endpoint", bucket.endpoint),
        ("Access key", key), ("Secret key", secret),
    ]:  # fmt: skip
        dialog.get_by_label(label).fill(text)
    dialog.get_by_role("button", name="Add storage").click()
    expect(page.get_by_text("Bucket is added")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("works", exact=True)).to_have_count(3, timeout=300_000)
    page.screenshot(path=screenshot_folder / "storage.png", caret="initial")

    page.goto(f"{warehouse}/datasets/{dataset.pk}/import/s3-prefix/")
    page.get_by_label("Prefix").fill("in/")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    start_worker("default", "inference", STORAGE_ALLOW_PRIVATE="true")
    cards = page.locator("#import .cards")
    expect(cards).to_contain_text("31", timeout=300_000)
    expect(page.locator(".run")).to_contain_text("Done", timeout=300_000)

    def is_read() -> bool:
        return not dataset.datapoints.filter(width=None, error="").exists()

    assert until(page, is_read)
    page.reload()
    expect(cards).to_contain_text("Cannot be read")
    page.get_by_role("link", name="show them").click()
    expect(page.locator(".thumb")).to_have_count(1)
    expect(page.locator(".thumb")).to_contain_text("Not a picture")
    page.screenshot(path=screenshot_folder / "failed.png", caret="initial")

    bucket.put("in/broken.jpg", make_picture(320, 240))
    page.go_back()
    page.get_by_role("button", name="Try again what failed").click()
    expect(page.locator(".cards")).not_to_contain_text("Cannot be read")
    assert until(page, lambda: dataset.datapoints.filter(width=320).count() == 31)
    page.goto(f"{warehouse}/imports/")
    page.get_by_role("link", name="Bucket").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.wait_for_load_state()
    page.screenshot(path=screenshot_folder / "import.png", caret="initial")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("Undone on")).to_be_visible(timeout=300_000)
    assert not dataset.datapoints.exists()


def test_an_items_list_with_mistakes_shows_them(
    page: Page, warehouse: str, organization: Organization, console: Console, start_worker: Callable[..., object]
) -> None:
    console.expect("status of 422")
    methods.create(organization=organization, by=None, name="Web", provider="PUBLIC")
    dataset = make_dataset(organization)
    page.goto(f"{warehouse}/datasets/{dataset.pk}/import/items-list/")
    page.get_by_label("Or paste the list").fill('[{"url": "https://127.0.0.1:9/a.jpg"}, {"url": ')
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("alert").filter(has_text="Item 2")).to_be_visible()
    page.get_by_label("Or paste the list").fill('[{"url": "https://127.0.0.1:9/a.jpg"}, {"url": "b.jpg"}]')
    page.get_by_role("button", name="Start the import").click()
    start_worker("default")
    expect(page.get_by_role("row", name="b.jpg")).to_contain_text("absolute", timeout=300_000)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    assert "2,b.jpg," in Path(waiting.value.path()).read_text()
