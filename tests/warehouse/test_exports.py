"""Exports: one consistent snapshot as a stream, its boxes what was stored times the size."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.warehouse import exports
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from tests.warehouse.factory import make_dataset, make_label, make_labelset, make_rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_export_holds_what_was_stored(organization: Organization, owner: User, client_of) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 3)
    rows = [
        EntryRow(points[0].pk, [make_label(1, [0.125, 0.25, 0.5, 0.0625])], "human", author_id=owner.pk),
        EntryRow(points[1].pk, [make_label(0, source="model", confidence=0.5)], "model", confidence=0.8, cycle=4),
        EntryRow(points[2].pk, [], "human"),
    ]
    upsert_entries(labelset.pk, rows)
    response = client_of(owner).get(reverse("warehouse:labelset-export", args=["acme", labelset.pk]))
    assert response.streaming and response["Content-Disposition"] == 'attachment; filename="Final.json"'
    raw = json.loads(b"".join(response.streaming_content))
    assert [image["file_name"] for image in raw["images"]] == [point.name for point in points]
    assert [image["labeled_by"] for image in raw["images"]] == ["owner@example.com", None, None]
    assert (raw["images"][1]["source"], raw["images"][1]["cycle"]) == ("model", 4)
    assert raw["annotations"][0]["bbox"] == [12.5, 20, 50, 5] and raw["annotations"][0]["area"] == 250
    assert (raw["annotations"][1]["image_id"], raw["annotations"][1]["score"]) == (2, 0.5)
    assert raw["categories"] == [
        {"id": 0, "name": "car", "supercategory": "object"},
        {"id": 1, "name": "person", "supercategory": "object"},
    ]


def test_what_is_written_during_an_export_is_not_in_it(organization: Organization) -> None:
    from threading import Thread

    from django.db import connection

    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 3)
    upsert_entries(labelset.pk, [EntryRow(each.pk, [make_label()], "human") for each in points[:2]])
    with exports.snapshot():
        entries = labelset.entries.all()
        assert [len(batch) for batch in exports.items(entries, with_labels=False)] == [2]

        def write() -> None:
            upsert_entries(labelset.pk, [EntryRow(points[2].pk, [], "human")])
            upsert_entries(labelset.pk, [EntryRow(points[0].pk, [], "human")])
            connection.close()

        writer = Thread(target=write)
        writer.start()
        writer.join()
        (batch,) = exports.items(entries, with_labels=True)
        assert [len(item.labels) for item in batch] == [1, 1]
    assert labelset.entries.count() == 3


def test_an_unknown_format_is_refused_and_a_strangers_labelset_is_not_there(
    organization: Organization, owner: User, stranger: User, labeler: User, client_of
) -> None:
    url = reverse("warehouse:labelset-export", args=["acme", make_labelset(organization).pk])
    assert client_of(owner).get(url, {"format": "word"}).status_code == 422
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(labeler).get(url).status_code == 403
    assert Client().get(url).status_code == 302
