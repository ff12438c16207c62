"""A folder of the server comes in as a run: only folders that were opened, only what is new, killed and run again."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.warehouse import imports, taking
from apps.warehouse.models import Dataset, Import
from tests.warehouse.factory import make_datapoint, make_picture
from tests.warehouse.test_imports import counts, kill_and_work, work


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """A folder that is open for imports, beside one that is not."""
    (tmp_path / "open" / "sub").mkdir(parents=True)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "secret.jpg").write_bytes(make_picture())
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (tmp_path / "open" / name).write_bytes(make_picture())
    settings.IMPORT_FOLDERS = [str(tmp_path / "open")]
    return tmp_path / "open"


def start(dataset: Dataset, root: Path, folder: str = "") -> Import:
    return imports.start_folder(dataset=dataset, root=str(root), folder=folder, by=None)


def test_pictures_come_in_by_their_relative_paths_and_what_is_none_is_told(dataset: Dataset, root: Path) -> None:
    (root / "text.jpg").write_bytes(b"I am a text")
    (root / "empty.png").write_bytes(b"")
    (root / "link.jpg").symlink_to(root.parent / "closed" / "secret.jpg")
    (root / "notes.txt").write_text("not ours to report")
    row = start(dataset, root)
    work(row.run)
    assert set(dataset.datapoints.values_list("name", "width")) == {("a.jpg", 64), ("b.jpg", 64), ("sub/c.jpg", 64)}
    reasons = dict(row.failures.values_list("name", "reason"))
    assert set(reasons) == {"text.jpg", "empty.png", "link.jpg"}
    assert "leads out of the folder" in reasons["link.jpg"]
    assert counts(row) == (3, 0, 3)


def test_the_next_time_only_what_is_new_comes_in(dataset: Dataset, root: Path) -> None:
    make_datapoint(dataset, "b.jpg")
    work(start(dataset, root).run)
    (root / "d.jpg").write_bytes(make_picture())
    again = start(dataset, root)
    work(again.run)
    assert counts(again) == (1, 2, 1)
    assert again.failures.get().name == "b.jpg"  # It was uploaded, not copied from here.


def test_only_a_part_of_the_folder_comes_in_if_asked_for(dataset: Dataset, root: Path) -> None:
    work(start(dataset, root, "/sub/").run)
    assert list(dataset.datapoints.values_list("name", flat=True)) == ["c.jpg"]


@pytest.mark.parametrize("path", ["..", "../closed", "sub/../../closed", "gone", "a.jpg"])
def test_a_path_that_leads_elsewhere_is_refused(dataset: Dataset, root: Path, path: str) -> None:
    with pytest.raises(ValidationError):
        start(dataset, root, path)
    assert not Import.objects.exists()


def test_a_folder_that_was_not_opened_is_refused(dataset: Dataset, root: Path) -> None:
    with pytest.raises(ValidationError, match="does not open"):
        start(dataset, root.parent / "closed")


def test_killed_at_any_place_and_run_again_nothing_is_lost_or_doubled(
    dataset: Dataset, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BYTES_AT_ONCE", 1)  # Each file is a piece of its own.
    (root / "text.jpg").write_bytes(b"I am a text")
    row = start(dataset, root)
    kill_and_work(row, monkeypatch, times=2)
    assert sorted(dataset.datapoints.values_list("name", flat=True)) == ["a.jpg", "b.jpg", "sub/c.jpg"]
    assert counts(row) == (3, 0, 1)


def test_the_page_offers_open_folders_alone(
    dataset: Dataset, root: Path, owner: User, stranger: User, client_of: Any, settings: Any
) -> None:
    page = f"/o/acme/datasets/{dataset.pk}/import/folder/"
    client = client_of(owner)
    assert str(root) in client.get(page).content.decode()
    assert client.post(page, {"root": str(root), "folder": "sub"}).status_code == 302
    assert client.post(page, {"root": str(root), "folder": "../closed"}).status_code == 422
    assert client.post(page, {"root": str(root.parent), "folder": ""}).status_code == 422
    assert [each.params["folder"] for each in Import.objects.all()] == ["sub"]
    assert client_of(stranger).get(page).status_code == 404
    settings.IMPORT_FOLDERS = []
    assert client.get(page).status_code == 404
    assert "Server folder" not in client.get(f"/o/acme/datasets/{dataset.pk}/upload/").content.decode()
