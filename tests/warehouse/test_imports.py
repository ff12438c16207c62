"""Imports as runs: what comes in, what is told, killed and rerun, retried, undone."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.projects.models import Stage
from apps.projects.services import create_project
from apps.warehouse import imports, methods, preparing, removing, services
from apps.warehouse.items_list import Bad, Listed
from apps.warehouse.models import Datapoint, Dataset, Import, LabelsetEntry, StorageMethod
from apps.warehouse.staging import stage
from tests.warehouse.bucket import Bucket
from tests.warehouse.factory import make_datapoint, make_labelset, make_picture, make_rows, make_taxonomy
from tests.warehouse.test_views import put_to_work


@pytest.fixture
def public(organization: Organization) -> StorageMethod:
    return methods.create(organization=organization, by=None, name="Web", provider="PUBLIC")


def work(run: Run | None, job: Any = imports.perform) -> Run:
    """What a worker does with a run, in this process."""
    assert run is not None
    handle = runs.start(run.pk)
    assert handle is not None
    handle.finish(job(handle))
    run.refresh_from_db()
    return run


def start_list(dataset: Dataset, storage: StorageMethod, items: object, **more: Any) -> Import:
    file = io.BytesIO(json.dumps(items).encode())
    return imports.start_items_list(dataset=dataset, storage=storage, file=file, by=None, **more)


def urls(*names: str) -> list[dict[str, str]]:
    return [{"url": f"https://images.example.org/{name}", "name": name} for name in names]


def counts(row: Import) -> tuple[int, int, int]:
    row.refresh_from_db()
    return row.created, row.skipped, row.failed


def test_items_come_in_and_collisions_are_told_per_item(dataset: Dataset, public: StorageMethod) -> None:
    make_rows(dataset, 1, "taken")
    unstorable = [{"url": "https://x.org/n", "metaData": {"\x00": 1}}, ["\ud800"]]
    row = start_list(
        dataset, public, [*urls("a", "taken-00000.jpg", "b", "a"), {"url": "relative.png"}, 7, *unstorable]
    )
    run = work(row.run)
    assert run.result == {"created": 2, "skipped": 0, "failed": 6, "labeled": 0}
    assert counts(row) == (2, 0, 6)
    told = list(row.failures.order_by("position").values_list("position", "name"))
    assert told[:4] == [(2, "taken-00000.jpg"), (4, "a"), (5, "relative.png"), (6, "item 6")]
    assert told[4:] == [(7, "https://x.org/n"), (8, "item 8")]
    assert row.datapoints.get(name="b").path == "https://images.example.org/b"
    public.refresh_from_db()
    assert public.origins == ["https://images.example.org"]


def test_pages_may_load_from_the_hosts_of_two_imports_at_once(
    organization: Organization, public: StorageMethod
) -> None:
    stale = StorageMethod.objects.get(pk=public.pk)
    methods.remember_origins(public, {"https://bücher.example/a.png", "https://one.example:8443/b.png"})
    methods.remember_origins(stale, {"https://two.example/a.png", "https://x.example;script-src/a.png"})
    public.refresh_from_db()
    expected = ["https://one.example:8443", "https://xn--bcher-kva.example", "https://two.example"]
    assert public.origins == expected


def test_a_broken_list_writes_nothing(dataset: Dataset, public: StorageMethod) -> None:
    file = io.BytesIO(b'[{"url": "https://x.org/a"}, {"url": ')
    with pytest.raises(ValidationError, match="Item 2"):
        imports.start_items_list(dataset=dataset, storage=public, file=file, by=None)
    assert not Import.objects.exists() and not Run.objects.exists()


def test_an_empty_list_and_uploads_as_storage_are_refused(dataset: Dataset, public: StorageMethod) -> None:
    with pytest.raises(ValidationError, match="empty"):
        start_list(dataset, public, [])
    make_datapoint(dataset)
    with pytest.raises(ValidationError, match="bucket or on the web"):
        start_list(dataset, dataset.organization.storage_methods.get(provider="WINNOW"), urls("a"))


def test_labels_beside_items_land_in_the_labelset(
    organization: Organization, dataset: Dataset, public: StorageMethod
) -> None:
    labelset = make_labelset(organization, make_taxonomy(organization, "car"))
    box = {"xnorm": 0.1, "ynorm": 0.2, "wnorm": 0.3, "hnorm": 0.4}
    items = urls("a", "b", "c", "d")
    items[0]["labels"] = [{"category": [["object", "car"]], "bbox2d": box}]
    items[1]["labels"] = [{"category": [["object", "tram"]], "bbox2d": box}]
    items[2]["labels"] = []
    row = start_list(dataset, public, items, labelset=labelset)
    work(row.run)
    entries = {entry.datapoint.name: entry for entry in LabelsetEntry.objects.select_related("datapoint")}
    assert {name: [label["bbox"] for label in entry.labels] for name, entry in entries.items()} == {
        "a": [[0.1, 0.2, 0.3, 0.4]],
        "c": [],
    }
    assert entries["a"].source == "import"
    assert [(each.name, "tram" in each.reason) for each in row.failures.all()] == [("b", True)]
    assert counts(row) == (3, 0, 1) and row.labeled == 2


class Killed(Exception):
    """The worker is gone."""


def die(*_: Any, **__: Any) -> None:
    raise Killed


def kill_and_work(row: Import, monkeypatch: pytest.MonkeyPatch, times: int = 3) -> None:
    """The worker dies after each piece, so often; the next one goes on and ends the import."""
    assert row.run is not None
    for _ in range(times):
        handle = runs.start(row.run.pk)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(runs.Handle, "progress", die)
            imports.perform(handle)
        Run.objects.filter(pk=row.run.pk).update(status=RunStatus.QUEUED)
    work(row.run)


def test_killed_at_any_place_and_run_again_nothing_is_lost_or_doubled(
    dataset: Dataset, public: StorageMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "ITEMS_AT_ONCE", 3)
    names = [f"{n}" for n in range(10)]
    row = start_list(dataset, public, [*urls(*names), *urls("0", "5")])
    kill_and_work(row, monkeypatch)
    assert sorted(row.datapoints.values_list("name", flat=True)) == sorted(names)
    assert counts(row) == (10, 0, 2)


def test_a_superseded_worker_writes_nothing_more(dataset: Dataset, public: StorageMethod) -> None:
    row = start_list(dataset, public, urls("a"))
    old = runs.start(row.run.pk)
    Run.objects.filter(pk=row.run.pk).update(status=RunStatus.QUEUED)
    runs.start(row.run.pk)
    with pytest.raises(runs.Superseded):
        imports.perform(old)
    assert not dataset.datapoints.exists()


def test_what_failed_is_tried_again(dataset: Dataset, public: StorageMethod) -> None:
    (blocker,) = make_rows(dataset, 1, "taken")
    row = start_list(dataset, public, urls("a", "taken-00000.jpg"))
    work(row.run)
    Datapoint.objects.filter(name="a").update(error="The file is empty.")
    blocker.delete()
    imports.retry_failed(import_row=row, by=None)
    row.refresh_from_db()
    work(row.run)
    assert counts(row) == (2, 0, 0)
    assert set(row.datapoints.values_list("name", "error")) == {("a", ""), ("taken-00000.jpg", "")}
    with pytest.raises(Conflict, match="Nothing of this import"):
        imports.retry_failed(import_row=row, by=None)


def test_an_undone_import_leaves_what_is_used(dataset: Dataset, public: StorageMethod) -> None:
    row = start_list(dataset, public, urls("a", "b", "c"))
    work(row.run)
    put_to_work(row.datapoints.get(name="b"))
    imports.undo(import_row=row, by=None)
    row.refresh_from_db()
    run = work(row.run, removing.undo_import)
    assert run.result == {"removed": 2, "kept": 1}
    assert list(dataset.datapoints.values_list("name", flat=True)) == ["b"]
    with pytest.raises(Conflict, match="undone already"):
        imports.undo(import_row=row, by=None)


def test_what_was_undone_does_not_come_in_by_trying_its_old_run_again(dataset: Dataset, public: StorageMethod) -> None:
    row = start_list(dataset, public, urls("a", "b"))
    assert row.run is not None
    old = runs.cancel(row.run, None)
    imports.undo(import_row=row, by=None)
    row.refresh_from_db()
    work(row.run, removing.undo_import)
    with pytest.raises(Conflict, match="Something newer"):
        runs.retry(old, None)
    old.refresh_from_db()
    assert old.status == RunStatus.CANCELED and not dataset.datapoints.exists()


def test_undoing_takes_the_labels_that_came_along(
    organization: Organization, dataset: Dataset, public: StorageMethod
) -> None:
    labelset = make_labelset(organization)
    row = start_list(dataset, public, [{**urls("a")[0], "labels": []}], labelset=labelset)
    work(row.run)
    assert labelset.entries.count() == 1
    imports.undo(import_row=row, by=None)
    row.refresh_from_db()
    work(row.run, removing.undo_import)
    assert not dataset.datapoints.exists() and not labelset.entries.exists()


def test_a_running_import_is_neither_undone_nor_retried(dataset: Dataset, public: StorageMethod) -> None:
    row = start_list(dataset, public, urls("a"))
    for act in (imports.undo, imports.retry_failed):
        with pytest.raises(Conflict, match="still running"):
            act(import_row=row, by=None)


def test_a_bucket_is_walked_and_the_next_time_only_what_is_new(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "ITEMS_AT_ONCE", 4)
    for name in [*(f"in/{n}.jpg" for n in range(9)), "in/notes.txt", "in/x.png", "out/y.jpg"]:
        bucket.put(name, b"x")
    first = imports.start_prefix(dataset=dataset, storage=s3_method, prefix="in/", pattern="*.jpg", by=None)
    work(first.run)
    assert counts(first) == (9, 0, 0)
    bucket.put("in/new.jpg", b"x")
    second = imports.start_prefix(dataset=dataset, storage=s3_method, prefix="in/", by=None)
    work(second.run)
    assert counts(second) == (2, 9, 0)
    assert set(second.datapoints.values_list("path", flat=True)) == {"in/new.jpg", "in/x.png"}


def test_a_key_too_long_for_a_name_is_told_and_the_others_come_in(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset
) -> None:
    long = f"{'deep/' * 120}a.jpg"
    for name in [long, "in.jpg"]:
        bucket.put(name, b"x")
    row = imports.start_prefix(dataset=dataset, storage=s3_method, prefix="", by=None)
    work(row.run)
    assert counts(row) == (1, 0, 1)
    assert "longer than 500" in row.failures.get().reason


def test_a_bucket_that_denies_listing_fails_the_run_with_the_reason(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset
) -> None:
    s3_method.access_key, s3_method.secret_key = bucket.user("s3:GetObject")
    s3_method.save()
    row = imports.start_prefix(dataset=dataset, storage=s3_method, prefix="", by=None)
    with bucket.guarded(), pytest.raises(runs.Failure, match="lacks s3:ListBucket"):
        imports.perform(runs.start(row.run.pk))


def make_zip(**files: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    out.seek(0)
    return out


def test_an_archive_is_unpacked_without_what_is_dangerous(dataset: Dataset) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    file = make_zip(
        **{
            "a.jpg": make_picture(),
            "sub/b.png": make_picture(format="PNG"),
            "2024-01-01T12:30:00.jpg": make_picture(),
            "c:/d.jpg": make_picture(),
            "../evil.jpg": make_picture(),
            "/root.jpg": make_picture(),
            "bomb.jpg": bytes(50_000_000),
            "text.jpg": b"I am a text",
            "notes.txt": b"no picture",
            "__MACOSX/a.jpg": b"x",
        }
    )
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "a.jpg")
    row = imports.start_zip(dataset=dataset, file=file, by=None)
    work(row.run)
    assert set(dataset.datapoints.values_list("name", "width")) == {
        ("a.jpg", 64), ("sub/b.png", 64), ("2024-01-01T12:30:00.jpg", 64),
    }  # fmt: skip
    reasons = dict(row.failures.values_list("name", "reason"))
    assert set(reasons) == {"../evil.jpg", "/root.jpg", "c:/d.jpg", "bomb.jpg", "text.jpg", "link.jpg"}
    assert "out of the archive" in reasons["../evil.jpg"] and "unpacks to far more" in reasons["bomb.jpg"]
    assert "a link" in reasons["link.jpg"] and "Not a picture" in reasons["text.jpg"]
    assert counts(row) == (3, 0, 6)


@pytest.mark.parametrize(("beside", "told"), [("annotations/instances.json", True), ("readme.txt", False)])
def test_labels_that_no_labelset_was_chosen_for_are_told(
    dataset: Dataset, owner: User, client_of: Any, beside: str, told: bool
) -> None:
    file = make_zip(**{"images/a.jpg": make_picture(), beside: b"{}"})
    row = imports.start_zip(dataset=dataset, file=file, by=None)
    work(row.run)
    assert counts(row) == (1, 0, 0)
    page = client_of(owner).get(f"/o/acme/imports/{row.pk}/").content.decode()
    assert ("files that look like labels" in page) is told


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", make_zip(**{"a.txt": b"x"}).getvalue()])
def test_what_is_no_archive_of_pictures_is_refused(dataset: Dataset, data: bytes) -> None:
    with pytest.raises(ValidationError):
        imports.start_zip(dataset=dataset, file=io.BytesIO(data), by=None)
    assert not Import.objects.exists()


def test_a_damaged_archive_brings_in_what_is_whole(dataset: Dataset) -> None:
    data = bytearray(make_zip(**{"a.jpg": make_picture(640, 480), "b.jpg": make_picture(600, 400)}).getvalue())
    data[60:400] = bytes(340)
    row = imports.start_zip(dataset=dataset, file=io.BytesIO(bytes(data)), by=None)
    work(row.run)
    assert list(dataset.datapoints.values_list("name", flat=True)) == ["b.jpg"]
    assert "damaged" in row.failures.get(name="a.jpg").reason


def test_sizes_and_previews_follow_in_shards(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "IMAGES_A_SHARD", 2)
    for n in range(3):
        bucket.put(f"{n}.jpg", make_picture(40 + n, 30))
    bucket.put("3.jpg", b"text")
    row = start_list(dataset, s3_method, [{"url": f"{n}.jpg"} for n in range(5)])
    handle = runs.start(row.run.pk)
    handle.finish(imports.perform(handle))
    prepare = Run.objects.get(kind="prepare", target=dataset.pk)
    handle = runs.start(prepare.pk)
    preparing.open_shards(handle)
    shards = list(prepare.shards.order_by("number"))
    assert len(shards) == 3
    for shard in shards:
        part = runs.start_shard(shard.pk)
        part.finish(preparing.prepare_shard(part))
    points = {point.name: point for point in dataset.datapoints.all()}
    assert [points[f"{n}.jpg"].width for n in range(3)] == [40, 41, 42]
    assert default_storage.exists(points["0.jpg"].thumbnail)
    assert "Not a picture" in points["3.jpg"].error and "no such object" in points["4.jpg"].error


def test_a_page_shows_an_image_before_its_turn(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset, owner: User, client_of
) -> None:
    bucket.put("a.jpg", make_picture())
    work(start_list(dataset, s3_method, [{"url": "a.jpg"}, {"url": "gone.jpg"}]).run)
    good, gone = dataset.datapoints.order_by("pk")
    assert client_of(owner).get(f"/o/acme/images/{good.uid}/thumbnail/").status_code == 200
    assert client_of(owner).get(f"/o/acme/images/{gone.uid}/thumbnail/").status_code == 404
    good.refresh_from_db()
    gone.refresh_from_db()
    assert (good.width, good.error) == (64, "") and "no such object" in gone.error


def test_a_dataset_is_deleted_with_its_files_unless_it_is_used(dataset: Dataset) -> None:
    point = make_datapoint(dataset)
    task = put_to_work(point)
    with pytest.raises(Conflict, match="Loop"):
        removing.delete_dataset(dataset=dataset, by=None)
    project = task.project
    task.delete()
    project.stages.all().delete()
    removing.delete_dataset(dataset=dataset, by=None)
    work(Run.objects.get(kind="delete-dataset"), removing.perform_delete)
    assert not Dataset.objects.exists() and not default_storage.exists(point.path)
    assert not default_storage.exists(point.thumbnail)


def test_nothing_new_begins_with_a_dataset_that_is_being_deleted(
    dataset: Dataset, organization: Organization, owner: User, client_of: Any
) -> None:
    make_datapoint(dataset)
    client, page = client_of(owner), f"/o/acme/datasets/{dataset.pk}/"
    assert "being deleted" not in client.get(page).content.decode()
    removing.delete_dataset(dataset=dataset, by=owner)
    pipeline = [Stage(name="INPUT", brick="dataset-input", dataset=dataset, routing={"next": "END"})]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", make_picture())
    default_storage.save("imports/another.zip", zipped)
    kept = set(default_storage.listdir("imports")[1])
    begins: list[Callable[[], object]] = [
        lambda: removing.delete_dataset(dataset=dataset, by=owner),
        lambda: services.begin_upload(dataset=dataset, by=owner),
        lambda: imports.start_zip(dataset=dataset, file=zipped, by=owner),
        lambda: create_project(organization=organization, name="Late", stages=pipeline, by=owner),
    ]
    for begin in begins:
        with pytest.raises(Conflict, match="Cells is being deleted"):
            begin()
    assert set(default_storage.listdir("imports")[1]) == kept
    for path in (page, "/o/acme/datasets/"):
        assert "eing deleted" in client.get(path).content.decode()


def test_names_twice_in_one_piece_keep_the_first(dataset: Dataset, public: StorageMethod) -> None:
    row = Import.objects.create(dataset=dataset, storage=public, source="items-list")
    stage(row, [Listed(1, "a", "https://x/1"), Listed(2, "a", "https://x/2"), Bad(3, "c", "No.")])
    assert dataset.datapoints.get().path == "https://x/1"
    assert set(row.failures.values_list("position", flat=True)) == {2, 3} and counts(row) == (1, 0, 2)


def test_import_pages_are_closed_to_strangers_and_labelers(
    dataset: Dataset, public: StorageMethod, owner: User, stranger: User, labeler: User, client_of: Any
) -> None:
    row = start_list(dataset, public, [*urls("a"), {"url": "b"}])
    work(row.run)
    begin = f"/o/acme/datasets/{dataset.pk}/import"
    pages = ["/o/acme/imports/", *(f"/o/acme/imports/{row.pk}/{rest}" for rest in ("", "failures/"))]
    pages += [f"{begin}/{way}/" for way in ("items-list", "s3-prefix", "zip")]
    posts = [f"/o/acme/imports/{row.pk}/{rest}/" for rest in ("retry", "undo")]
    posts += [f"{begin}/zip/", f"/o/acme/datasets/{dataset.pk}/delete/"]
    for who, status in [(stranger, 404), (labeler, 403)]:
        assert {page: client_of(who).get(page).status_code for page in pages} == dict.fromkeys(pages, status)
        assert {post: client_of(who).post(post).status_code for post in posts} == dict.fromkeys(posts, status)
    assert {page: client_of(owner).get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    foreign = [page.replace("/acme/", "/other/") for page in pages[1:]]
    assert {page: client_of(stranger).get(page).status_code for page in foreign} == dict.fromkeys(foreign, 404)


def test_an_import_begins_from_its_page(dataset: Dataset, public: StorageMethod, owner: User, client_of: Any) -> None:
    client, url = client_of(owner), f"/o/acme/datasets/{dataset.pk}/import"
    nothing = client.post(f"{url}/items-list/", {"storage": public.pk})
    assert nothing.status_code == 422 and b"either a file or the list" in nothing.content
    client.post(f"{url}/items-list/", {"storage": public.pk, "text": json.dumps(urls("a"))})
    client.post(f"{url}/zip/", {"file": make_zip(**{"a.jpg": make_picture()})})
    assert sorted(Import.objects.values_list("source", flat=True)) == ["items-list", "zip"]
    assert client.post(f"{url}/zip/", {"file": io.BytesIO(b"no")}).status_code == 422
    assert client.get(f"{url}/carrier-pigeon/").status_code == 404


def test_the_error_list_is_safe_in_a_spreadsheet(
    dataset: Dataset, public: StorageMethod, owner: User, client_of: Any
) -> None:
    row = Import.objects.create(dataset=dataset, storage=public, source="items-list")
    row.failures.create(position=3, name='=HYPERLINK("x")', reason="No.")
    response = client_of(owner).get(f"/o/acme/imports/{row.pk}/failures/")
    assert b"".join(response.streaming_content).decode().splitlines()[1] == '3,"\'=HYPERLINK(""x"")",No.'


def test_a_dataset_is_deleted_only_by_its_typed_name(dataset: Dataset, owner: User, client_of: Any) -> None:
    client, url = client_of(owner), f"/o/acme/datasets/{dataset.pk}/delete/"
    client.post(url, {"confirmation": "cells"})
    assert not Run.objects.filter(kind="delete-dataset").exists()
    client.post(url, {"confirmation": "Cells"})
    assert Run.objects.filter(kind="delete-dataset", target=dataset.pk).exists()
