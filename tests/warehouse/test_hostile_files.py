"""Whatever bytes come: every reader gives what is good in them or says what is wrong, and nothing else."""

import io
import json
import struct
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common import runs
from apps.warehouse import archives, imports, pictures
from apps.warehouse.formats import FormatError, coco
from apps.warehouse.items_list import Bad
from apps.warehouse.models import Dataset, Import
from apps.warehouse.pictures import BadPicture
from tests.warehouse.factory import make_picture
from tests.warehouse.test_pictures import png_bomb

KINDS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
WHOLE = {kind: make_picture(64, 48, kind) for kind in KINDS}
WHOLE["turned"] = make_picture(64, 48, orientation=6)
WHOLE["progressive"] = make_picture(64, 48, progressive=True)


def damaged(data: bytes, at: int, patch: bytes, cut: int) -> bytes:
    """The bytes with some replaced in the middle and some missing at the end."""
    at %= len(data)
    broken = data[:at] + patch + data[at + len(patch) :]
    return broken[: len(broken) - cut % len(broken)]


HARM = st.tuples(st.integers(0, 1 << 16), st.binary(max_size=24), st.integers(0, 1 << 12) | st.just(0))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(WHOLE)), HARM)
def test_a_damaged_picture_is_read_or_refused_with_a_reason(kind: str, harm: tuple[int, bytes, int]) -> None:
    data = damaged(WHOLE[kind], *harm)
    try:
        header = pictures.probe(io.BytesIO(data))
        assert 0 < header.width * header.height <= pictures.PIXEL_LIMIT
        if header.width * header.height < 1_000_000:  # A header that was made to lie costs time, not truth.
            assert pictures.shrink(io.BytesIO(data))[:2] == b"\xff\xd8"
    except BadPicture as error:
        assert str(error)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"II*\0"]))
def test_random_bytes_are_no_picture(data: bytes, magic: bytes) -> None:
    with pytest.raises(BadPicture):
        pictures.probe(io.BytesIO(magic + data))
        pictures.shrink(io.BytesIO(magic + data))


def tiff_that_points_at_itself() -> bytes:
    """Its list of directories is a ring."""
    return struct.pack("<2sHIHI", b"II", 42, 8, 0, 8)


BROKEN = {
    "cut.jpg": WHOLE["JPEG"][:300],
    "header-only.jpg": WHOLE["JPEG"][:2],
    "cut.png": WHOLE["PNG"][:60],
    "cut.webp": WHOLE["WEBP"][:40],
    "cut.tif": WHOLE["TIFF"][:100],
    "cut.bmp": WHOLE["BMP"][:70],
    "bomb.png": png_bomb(60_000, 60_000),
    "no-pixels.png": png_bomb(0, 0),
    "ring.tif": tiff_that_points_at_itself(),
    "page.jpg": b"<html><body>Not found</body></html>",
    "vector.png": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "zeros.jpg": bytes(5000),
    "empty.jpg": b"",
    "gif.jpg": make_picture(8, 8, "GIF"),
}


def archive_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def run_zip(dataset: Dataset, data: bytes) -> Import:
    row = imports.start_zip(dataset=dataset, file=io.BytesIO(data), by=None)
    handle = runs.start(row.run.pk)
    assert handle is not None
    handle.finish(imports.perform(handle))
    row.refresh_from_db()
    return row


def test_every_broken_image_of_the_corpus_is_named_and_the_good_one_is_in(dataset: Dataset) -> None:
    row = run_zip(dataset, archive_of(BROKEN | {"good.jpg": WHOLE["JPEG"]}))
    assert list(dataset.datapoints.values_list("name", flat=True)) == ["good.jpg"]
    assert set(row.failures.values_list("name", flat=True)) == set(BROKEN)
    assert (row.created, row.failed) == (1, len(BROKEN))
    assert all(failure.reason and failure.position for failure in row.failures.all())


ARCHIVE = archive_of({"a.jpg": WHOLE["JPEG"], "sub/b.png": WHOLE["PNG"], "c.bmp": WHOLE["BMP"]})


@settings(deadline=None, max_examples=300)
@given(HARM)
def test_a_damaged_archive_is_read_or_refused_with_a_reason(harm: tuple[int, bytes, int]) -> None:
    try:
        with archives.open_archive(io.BytesIO(damaged(ARCHIVE, *harm))) as archive:
            for entry in archives.entries(archive):
                assert entry.position > 0
                if isinstance(entry, Bad):
                    assert entry.reason and entry.name.isprintable()
                    continue
                assert not entry.name.startswith("/") and ".." not in entry.name.split("/")
                try:
                    assert len(archives.read(archive, entry)) <= entry.info.file_size
                except BadPicture as error:
                    assert str(error)
    except FormatError as error:
        assert str(error)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HARM)
def test_an_import_of_a_damaged_archive_counts_every_entry_once(dataset: Dataset, harm: tuple[int, bytes, int]) -> None:
    dataset.datapoints.all().delete()
    data = damaged(ARCHIVE, *harm)
    try:
        with archives.open_archive(io.BytesIO(data)) as archive:
            promised = len(list(archives.entries(archive)))
        if not promised:
            return
    except FormatError:
        return
    row = run_zip(dataset, data)
    assert row.created + row.failed == promised
    assert dataset.datapoints.count() == row.created
    assert row.failures.count() == row.failed


@settings(deadline=None, max_examples=200)
@given(
    st.text(
        alphabet=st.characters(codec="utf-8") | st.sampled_from("/\\.:\x00"),
        min_size=1,
        max_size=60,
    )
)
def test_no_name_of_an_entry_leads_out_of_the_archive(name: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("x.jpg")
        info.filename = f"{name}.jpg"
        archive.writestr(info, b"x")
    try:
        with archives.open_archive(out) as archive:
            for entry in archives.entries(archive):
                parts = entry.name.split("/")
                assert isinstance(entry, Bad) or (".." not in parts and parts[0] != "" and "\x00" not in entry.name)
    except FormatError as error:
        assert str(error)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ID = st.integers(0, 3) | JSON
COCO = st.fixed_dictionaries(
    {},
    optional={
        "images": JSON
        | st.lists(
            st.fixed_dictionaries({"id": ID, "file_name": JSON | st.sampled_from("ab"), "width": JSON}), max_size=4
        ),
        "annotations": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"image_id": ID, "category_id": ID, "bbox": JSON | st.lists(st.floats(), max_size=5)}
            ),
            max_size=4,
        ),
        "categories": JSON | st.lists(st.fixed_dictionaries({"id": ID, "name": JSON | st.just("car")}), max_size=3),
    },
)


@settings(deadline=None, max_examples=300)
@given(JSON | COCO)
def test_a_coco_file_of_any_content_gives_boxes_or_says_what_is_wrong(raw: object) -> None:
    try:
        file = coco.parse(json.loads(json.dumps(raw)))
    except FormatError as error:
        assert str(error)
        return
    for picture in file.pictures.values():
        labels, problems = coco.to_labels(picture, width=64, height=48, class_of={"car": 0})
        assert all(problem.reason for problem in problems)
        for label in labels or []:
            x, y, w, h = label["bbox"]
            assert 0 <= x < x + w <= 1 + 1e-9 and 0 <= y < y + h <= 1 + 1e-9
