"""Large pictures: judged by their header in a request, decoded by a job, in memory that is bounded."""

import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apps.accounts.models import User
from apps.accounts.services import create_api_key
from apps.common import runs
from apps.common.models import Run
from apps.warehouse import pictures, preparing
from apps.warehouse.models import Datapoint, Dataset, StorageMethod
from tests.api.conftest import Caller
from tests.conftest import ROOT
from tests.warehouse.bucket import Bucket
from tests.warehouse.factory import make_datapoint, make_picture
from tests.warehouse.test_imports import start_list, work

SIDE = 14_000
MEGABYTES_TO_DECODE = 700
MEASURED = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from apps.warehouse import pictures

def small(_):
    with open(sys.argv[1], "rb") as file:
        return len(pictures.shrink(file))

with ThreadPoolExecutor(3) as threads:
    assert all(list(threads.map(small, range(3))))
# ru_maxrss would count what the process was before it began this program: as large as the tests themselves.
with open("/proc/self/status") as status:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) // 1024)
"""


@pytest.fixture
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "QUICK_PIXELS", 1000)


def prepare_all(dataset: Dataset) -> None:
    handle = runs.start(Run.objects.get(kind="prepare", target=dataset.pk).pk)
    assert handle is not None
    preparing.open_shards(handle)
    for shard in handle.run.shards.all():
        part = runs.start_shard(shard.pk)
        assert part is not None
        part.finish(preparing.prepare_shard(part))


@pytest.mark.usefixtures("_all_are_large")
def test_a_large_upload_is_stored_at_once_and_prepared_by_one_job(dataset: Dataset) -> None:
    points = [make_datapoint(dataset, name) for name in ("a.jpg", "b.jpg")]
    assert [(point.width, point.thumbnail) for point in points] == [(None, "")] * 2
    assert Run.objects.filter(kind="prepare").count() == 1
    prepare_all(dataset)
    assert set(dataset.datapoints.values_list("width", "height")) == {(64, 48)}
    assert all(point.thumbnail for point in dataset.datapoints.all())


@pytest.mark.usefixtures("_all_are_large")
def test_a_large_upload_that_proves_damaged_says_so_later(dataset: Dataset) -> None:
    from apps.warehouse import services

    cut = io.BytesIO(make_picture(400, 300)[:900])
    point = services.add_upload(dataset=dataset, file=cut, name="cut.jpg")
    prepare_all(dataset)
    point.refresh_from_db()
    assert "damaged" in point.error


@pytest.mark.usefixtures("_all_are_large")
def test_a_page_does_not_decode_what_is_large(
    bucket: Bucket, s3_method: StorageMethod, dataset: Dataset, owner: User, client_of: Any
) -> None:
    bucket.put("a.jpg", make_picture())
    bucket.put("b.tif", make_picture(format="TIFF"))
    work(start_list(dataset, s3_method, [{"url": "a.jpg"}, {"url": "b.tif"}]).run)
    client = client_of(owner)
    photo, scan = dataset.datapoints.order_by("pk")
    for point in (photo, scan):
        answer = client.get(f"/o/acme/images/{point.uid}/thumbnail/")
        assert answer["Location"].endswith("img/pending.svg") and "max-age=10" in answer["Cache-Control"]
    assert client.get(f"/o/acme/images/{scan.uid}/").status_code == 503
    caller = Caller(create_api_key(organization=dataset.organization, user=owner, name="test")[1], "acme")
    told = caller.get(f"/datapoints/{scan.uid}/image")
    assert (told.status_code, told.json()["code"], told["Retry-After"]) == (503, "not_ready", "10")
    assert set(dataset.datapoints.values_list("width", "error")) == {(None, "")}
    prepare_all(dataset)
    assert client.get(f"/o/acme/images/{scan.uid}/").status_code == 200
    assert client.get(f"/o/acme/images/{photo.uid}/thumbnail/").status_code == 200


def test_a_page_does_not_fetch_what_is_long(
    bucket: Bucket,
    s3_method: StorageMethod,
    dataset: Dataset,
    owner: User,
    client_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparing, "QUICK_BYTES", 100)
    bucket.put("a.jpg", make_picture())
    work(start_list(dataset, s3_method, [{"url": "a.jpg"}]).run)
    point = Datapoint.objects.get()
    assert client_of(owner).get(f"/o/acme/images/{point.uid}/thumbnail/").status_code == 302
    point.refresh_from_db()
    assert (point.width, point.error) == (None, "")


def test_several_threads_decode_the_largest_pictures_one_after_another_in_bounded_memory(tmp_path: Path) -> None:
    """196 megapixels of gray are 187 MB; three at once, in RGB, would be 2.2 GB."""
    file = tmp_path / "large.png"
    Image.new("L", (SIDE, SIDE), 128).save(file, compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MEGABYTES_TO_DECODE


def test_room_is_given_back_whatever_happens() -> None:
    room = pictures.Room(100)
    with pytest.raises(KeyError), room.taken(100):
        raise KeyError
    held, entered = threading.Event(), threading.Event()

    def second() -> None:
        held.wait()
        with room.taken(60):
            entered.set()

    thread = threading.Thread(target=second)
    thread.start()
    with room.taken(60):
        held.set()
        assert not entered.wait(0.2)
    assert entered.wait(30)
    thread.join()
    assert room.left == 100


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "CMYK", "YCbCr"])
def test_a_picture_shrinks_to_the_same_colors_by_bands(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left half red, right half blue, in every mode that holds them: bands leave no seams and lose no row."""
    monkeypatch.setattr(pictures, "BAND_PIXELS", 7 * 1500)
    image = Image.open(io.BytesIO(make_picture(1500, 901, "PNG"))).convert(mode)
    out = io.BytesIO()
    image.save(out, "TIFF")
    small = Image.open(io.BytesIO(pictures.shrink(out, 320)))
    assert small.size == (320, 192)
    expected = image.convert("RGB").resize(small.size)
    for x in (10, 100, 220, 310):
        for y in (2, 60, 120, 190):
            pairs = zip(small.getpixel((x, y)), expected.getpixel((x, y)), strict=True)
            assert all(abs(a - b) < (60 if mode == "1" else 12) for a, b in pairs), (mode, x, y)
