"""Labelset entries: written set-wise, once a datapoint, with what pages filter and count by."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import Organization, User
from apps.warehouse.labelset_entries import EntryRow, upsert_entries, upsert_from
from tests.warehouse.factory import make_dataset, make_label, make_labelset, make_rows


def test_entries_are_written_with_their_counts(organization: Organization, owner: User) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 2)
    labels = [make_label(1), make_label(0), make_label(1)]
    task = uuid.uuid4()
    rows = [
        EntryRow(points[0].pk, labels, "human", task_uid=task, author_id=owner.pk),
        EntryRow(points[1].pk, [], "model", confidence=0.75, cycle=3),
    ]
    assert upsert_entries(labelset.pk, rows) == 2
    first, second = labelset.entries.order_by("pk")
    assert first.labels == labels
    assert (first.class_ids, first.class_boxes, first.box_count) == ([0, 1], [1, 2], 3)
    assert (first.task_uid, first.author_id, first.source) == (task, owner.pk, "human")
    assert (second.class_ids, second.box_count, second.confidence, second.cycle) == ([], 0, 0.75, 3)


def test_a_second_write_replaces_the_first(organization: Organization) -> None:
    labelset, (point,) = make_labelset(organization), make_rows(make_dataset(organization), 1)
    upsert_entries(labelset.pk, [EntryRow(point.pk, [make_label(0)], "model", confidence=0.4, cycle=1)])
    before = labelset.entries.get()
    upsert_entries(labelset.pk, [EntryRow(point.pk, [], "human")])
    after = labelset.entries.get()
    assert after.pk == before.pk and after.created_at == before.created_at and after.updated_at >= before.updated_at
    assert (after.source, after.confidence, after.cycle, after.class_ids, after.class_boxes) == (
        "human",
        None,
        None,
        [],
        [],
    )


def test_entries_come_from_a_query_too(organization: Organization) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 5)
    select = """SELECT id, NULL::uuid, '[{"category": 1}]'::jsonb, 'import', NULL::float8, NULL::integer, NULL::bigint
                FROM warehouse_datapoint WHERE dataset_id = %s"""
    assert upsert_from(labelset.pk, select, [points[0].dataset_id]) == 5
    assert set(labelset.entries.values_list("source", "box_count")) == {("import", 1)}


def test_a_model_entry_without_confidence_is_refused(organization: Organization) -> None:
    labelset, (point,) = make_labelset(organization), make_rows(make_dataset(organization), 1)
    with pytest.raises(IntegrityError, match="entry_model_confidence"), transaction.atomic():
        upsert_entries(labelset.pk, [EntryRow(point.pk, [], "model")])


def test_a_thousand_entries_are_one_statement(organization: Organization, django_assert_num_queries) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 1000)
    with django_assert_num_queries(1):
        assert upsert_entries(labelset.pk, [EntryRow(each.pk, [make_label()], "human") for each in points]) == 1000
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(box_count) FROM warehouse_labelsetentry")
        assert cursor.fetchone() == (1000,)
