"""What leaves in a format comes back by it: exported, imported into a fresh dataset, and exported again the same."""

import io
import json
import re
import zipfile
from typing import Any

import pytest

from apps.accounts.models import Organization, User
from apps.warehouse import exports, imports, services
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Dataset, Import, Labelset
from apps.warehouse.storages import open_bytes
from tests.warehouse.factory import make_dataset, make_label, make_labelset, make_picture, make_taxonomy
from tests.warehouse.test_imports import make_zip, work

pytestmark = pytest.mark.django_db(transaction=True)

# Names that no disk bears, that differ by their suffix alone, that look like the folders of a format.
NAMES = ("a/one.jpg", "a/one.png", "con.jpg", 'b "x", ü.JPG', "images/train/two.webp", "=sum", "many.jpg", "late.jpg")
MODEL = {"source": "model", "confidence": 0.8251953125, "cycle": 3}
# Everything that names a row of the database or a moment.
IDS = re.compile(r'"(dp_id|dpId|task_id|taskId|labelid|cursor|date_created|description)":("[^"]*"|null)')
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture
def labelset(organization: Organization, owner: User) -> Labelset:
    """Real images with boxes by people, by the model and by nobody; one of them is turned by its EXIF."""
    labelset, dataset = (
        make_labelset(organization, make_taxonomy(organization, "car", 'a "b", <c> 😀')),
        make_dataset(organization),
    )
    points = [_add(dataset, name, number) for number, name in enumerate(NAMES)]
    attributes = {"note": 'a "quoted", <text>\nof two lines', "occluded": True}
    boxes = [
        make_label(0, [0.123456789, 0.2, 1 / 3, 0.1], attributes=attributes),
        make_label(1, [0, 0, 1, 1], source="model", confidence=0.1 + 0.2),
        make_label(1, [2 / 3, 0.5, 1 / 3, 0.5], source="import"),
    ]
    many = [make_label(n % 2, [n / 41, n / 43, 1 / 47, 1 / 53], source="model", confidence=n / 97) for n in range(40)]
    labels = [boxes, [], boxes[:1], boxes[1:], boxes[2:], [], many]
    rows = [EntryRow(point.pk, each, "human", author_id=owner.pk) for point, each in zip(points, labels, strict=False)]
    rows[1:2] = [EntryRow(points[1].pk, labels[1], **MODEL)]
    rows[6:7] = [EntryRow(points[6].pk, labels[6], **MODEL)]
    upsert_entries(labelset.pk, rows)
    return labelset


def _add(dataset: Dataset, name: str, number: int) -> Datapoint:
    picture = make_picture(97 + number, 61 + number, orientation=6 if number == 3 else 1)
    point = services.add_upload(dataset=dataset, file=io.BytesIO(picture), name=f"{number}.jpg")
    point.name = name
    point.save(update_fields=["name"])
    return point


def exported(labelset: Labelset, name: str, **chosen: Any) -> bytes:
    export = exports.begin(exports.FORMATS[name], labelset, exports.Options(**chosen), by=None)
    return b"".join(export.content)


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an export without what may differ: numbers of rows, and where the bytes are."""
    if not data.startswith(b"PK"):
        return {"": _without_ids(data)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {UID.sub("UID", name): archive.read(name) for name in archive.namelist()}
    return {name: _without_ids(data) if name.endswith(LABELS) else data for name, data in files.items()}


LABELS = (".json", ".csv", ".txt", ".xml", ".yaml")


def _without_ids(data: bytes) -> bytes:
    text = UID.sub("UID", IDS.sub(r'"\1":"…"', data.decode()))
    return re.sub(r"datasets/\d+/UID", "PATH", text).encode()


def imported(organization: Organization, labelset: Labelset, **files: Any) -> tuple[Import, Labelset]:
    """Into a dataset and a labelset of their own, as a worker does it."""
    again = make_labelset(organization, labelset.taxonomy, name="Again")
    row = imports.start_zip(dataset=make_dataset(organization, "Again"), labelset=again, by=None, **files)
    work(row.run)
    row.refresh_from_db()
    return row, again


@pytest.mark.parametrize("name", exports.FORMATS)
def test_an_export_with_its_images_comes_back_the_same(
    organization: Organization, labelset: Labelset, name: str
) -> None:
    first = exported(labelset, name, images=True)
    row, again = imported(organization, labelset, file=io.BytesIO(first))
    assert list(row.failures.values_list("name", "reason")) == []
    assert set(row.datapoints.values_list("name", flat=True)) == set(NAMES[:7])
    assert unpacked(exported(again, name, images=True)) == unpacked(first)


@pytest.mark.parametrize("name", exports.FORMATS)
def test_an_export_without_images_comes_back_beside_them(
    organization: Organization, labelset: Labelset, name: str
) -> None:
    Datapoint.objects.filter(name="=sum").update(name="=sum.jpg")  # An archive's pictures are known by their suffix.
    first = exported(labelset, name)
    pictures = {point.name: open_bytes(point) for point in Datapoint.objects.order_by("pk")}
    row, again = imported(organization, labelset, file=make_zip(**pictures), labels=io.BytesIO(first))
    assert list(row.failures.values_list("name", "reason")) == []
    assert row.created == 8 and row.labeled == 7
    assert unpacked(exported(again, name)) == unpacked(first)


def test_the_provenance_is_only_what_a_file_can_know(
    organization: Organization, owner: User, labelset: Labelset
) -> None:
    items = json.loads(exported(labelset, "redbrick"))
    items[0] |= {"createdBy": "nobody@example.com", "cycle": "third"}
    items[1] |= {"confidence": 7}
    raw = io.BytesIO(json.dumps(items).encode())
    pictures = {name: make_picture() for name in NAMES if name != "=sum"}
    row, again = imported(organization, labelset, file=make_zip(**pictures), labels=raw)
    entries = {entry.datapoint.name: entry for entry in again.entries.select_related("datapoint", "author")}
    assert (entries[NAMES[0]].author, entries[NAMES[0]].cycle) == (None, None)
    assert entries[NAMES[1]].source == "import" and entries[NAMES[1]].confidence is None
    assert entries[NAMES[2]].author == owner and entries[NAMES[6]].cycle == 3
