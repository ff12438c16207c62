"""Promises of unpacking: what earlier exports wrote goes, and nothing else ever does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import winnow
from winnow.archives import FILES, unpack


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def export(out: Path, *names: str, format: str = "yolo", split: str = "", is_change: bool = False) -> list[str]:  # noqa: A002
    """Unpack an archive of these files; return what then lies in the folder."""
    archive = out.parent / "archive.zip"
    with zipfile.ZipFile(archive, "w") as files:
        for name in names:
            files.writestr(name, name)
    unpack(archive, out, "final", is_change=is_change, format=format, split=split)
    return there(out)


def there(out: Path) -> list[str]:
    files = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return sorted(name for name in files if name != FILES)


def test_what_is_no_longer_exported_goes_and_files_of_ones_own_stay(out: Path) -> None:
    (out / "labels").mkdir()
    (out / "labels" / "mine.txt").touch()
    export(out, "labels/a.txt", "labels/b.txt")
    assert export(out, "labels/a.txt", "labels/c.txt") == ["labels/a.txt", "labels/c.txt", "labels/mine.txt"]
    assert export(out, "labels/B.txt") == ["labels/B.txt", "labels/mine.txt"]


def test_other_formats_and_other_splits_stay_beside_each_other(out: Path) -> None:
    export(out, "Annotations/a.xml", format="voc")
    export(out, "labels/train/a.txt", "labels/train/b.txt", split="train")
    export(out, "labels/val/c.txt", split="val")
    kept = ["Annotations/a.xml", "labels/train/b.txt", "labels/val/c.txt"]
    assert export(out, "labels/train/b.txt", split="train") == kept
    assert export(out, "labels/test/d.txt") == ["Annotations/a.xml", "labels/test/d.txt"]
    assert export(out, "labels/train/b.txt", split="train") == ["Annotations/a.xml", "labels/train/b.txt"]


def test_changes_replace_nothing(out: Path) -> None:
    export(out, "labels/a.txt")
    assert export(out, "labels/b.txt", is_change=True) == ["final/labels/b.txt", "labels/a.txt"]


def test_images_beside_one_file_are_not_replaced(out: Path) -> None:
    """Another labelset's file in the folder may name them."""
    export(out, "labels.json", "images/a.jpg", format="coco")
    assert export(out, "labels.json", "images/b.jpg", format="coco") == ["final", "images/a.jpg", "images/b.jpg"]


def test_what_an_interrupted_export_wrote_goes_as_well(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(out, "labels/a.txt")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        extract = zipfile.ZipFile.extractall

        def interrupted(*arguments: object, **more: object) -> None:
            extract(*arguments, **more)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        patched.setattr(zipfile.ZipFile, "extractall", interrupted)
        export(out, "labels/b.txt")
    assert there(out) == ["labels/a.txt", "labels/b.txt"]
    assert export(out, "labels/c.txt") == ["labels/c.txt"]


def test_no_list_reaches_out_of_the_folder(out: Path) -> None:
    outside = out.parent / "outside"
    outside.mkdir()
    (outside / "kept.txt").touch()
    (out / "link").symlink_to(outside)
    names = [str(outside / "kept.txt"), "../outside/kept.txt", "link/kept.txt", "labels/..", ""]
    (out / FILES).write_text(json.dumps({"yolo": names}))
    assert export(out, "labels/a.txt") == ["labels/a.txt"]
    assert (outside / "kept.txt").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"yolo": 1}'])
def test_a_list_that_cannot_be_read_is_told(out: Path, text: str) -> None:
    (out / FILES).write_text(text)
    with pytest.raises(winnow.WinnowError, match="delete it"):
        export(out, "labels/a.txt")
    assert there(out) == []
