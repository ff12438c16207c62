"""Incremental exports: nothing is missed however late it commits, deletions are told, foreign cursors refused."""

import json
import re
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.warehouse import changes, exports
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Labelset
from config.processes import wait_until
from tests.warehouse.factory import make_dataset, make_label, make_labelset, make_rows
from tests.warehouse.test_round_trips import exported, unpacked

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = 300


@pytest.fixture
def points(organization: Organization) -> list[Datapoint]:
    return make_rows(make_dataset(organization), 6)


@pytest.fixture
def labelset(organization: Organization, points: list[Datapoint]) -> Labelset:
    labelset = make_labelset(organization)
    write(labelset, *points[:3])
    return labelset


def write(labelset: Labelset, *points: Datapoint, **label: Any) -> None:
    upsert_entries(labelset.pk, [EntryRow(each.pk, [make_label(**label)], "human") for each in points])


def names(raw: Any) -> tuple[set[str], set[str]]:
    """The images of a COCO file, and those that it says are gone; by their numbers."""

    def number(entry: dict[str, str]) -> str:
        return str(int(re.findall(r"\d+", entry["file_name"])[0]))

    return {number(each) for each in raw["images"]}, {number(each) for each in raw["deleted"]}


def changed(labelset: Labelset, since: str, **chosen: Any) -> tuple[set[str], set[str]]:
    return names(json.loads(exported(labelset, "coco", since=since, **chosen)))


def settle() -> None:
    """Let what other databases of the server have begun before end: snapshots are the server's, and so are cursors."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        now = cursor.fetchone()[0]

    def is_settled() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname <> current_database() AND backend_xid::text::bigint < %s)",
                [now],
            )
            return bool(cursor.fetchone()[0])

    assert wait_until(is_settled, 900)


def cursor_of(labelset: Labelset) -> str:
    """The one that an export of everything carries."""
    settle()
    return str(json.loads(exported(labelset, "coco"))["info"]["cursor"])


@pytest.fixture
def late(labelset: Labelset, points: list[Datapoint]) -> Iterator[Any]:
    """Another connection that has written the fourth image and commits when it is told to."""
    written, go_on = Event(), Event()

    def work() -> None:
        with transaction.atomic():
            write(labelset, points[3])
            written.set()
            assert go_on.wait(WAIT)
        connection.close()

    thread = Thread(target=work)
    thread.start()
    assert written.wait(WAIT)

    def commit() -> None:
        go_on.set()
        thread.join(WAIT)

    yield commit
    commit()


def test_what_began_before_an_export_and_commits_after_it_is_in_the_next(
    labelset: Labelset, points: list[Datapoint], late: Any
) -> None:
    first = cursor_of(labelset)
    write(labelset, points[4])  # A later transaction, over before the earlier one.
    second = cursor_of(labelset)
    assert changed(labelset, second)[0] == {"4"}  # Told again rather than missed while an older one is open.
    late()
    assert changed(labelset, first)[0] == {"3", "4"} and changed(labelset, second)[0] == {"3", "4"}
    assert changed(labelset, cursor_of(labelset)) == (set(), set())


def test_only_what_has_changed_and_what_is_gone_is_told(labelset: Labelset, points: list[Datapoint]) -> None:
    cursor = cursor_of(labelset)
    write(labelset, points[1], points[4])
    labelset.entries.filter(datapoint__in=points[:2]).delete()
    labelset.entries.get(datapoint=points[2]).delete()
    write(labelset, points[1])  # It is back.
    assert changed(labelset, cursor) == ({"1", "4"}, {"0", "2"})
    assert labelset.deletions.count() == 3
    # What was wanted and no longer is counts as gone.
    write(labelset, points[4], category=1)
    assert changed(labelset, cursor, category=0) == ({"1"}, {"0", "2", "4"})
    assert changed(labelset, cursor, split="val")[1] <= {"0", "2"}
    for name in ("yolo", "voc"):
        about = json.loads(unpacked(exported(labelset, name, since=cursor))["winnow.json"])
        assert len(about["deleted"]) == 2
    assert exported(labelset, "csv", since=cursor).count(b",deleted\n") == 2
    assert exported(labelset, "redbrick", since=cursor).count(b'"deleted":true') == 2


def test_a_cursor_that_says_nothing_here_is_refused(
    organization: Organization, labelset: Labelset, owner: User, client_of: Any
) -> None:
    cursor = cursor_of(labelset)
    other = make_labelset(organization, labelset.taxonomy, name="Other")
    database, key, horizon = cursor.split(".")
    ahead = f"{database}.{key}.{int(horizon) + 10**9}"
    for given, reason in [(cursor_of(other), "of this labelset"), ("x", "no cursor"), (ahead, "as a whole"),
                          (f"{'0' * 16}.{key}.{horizon}", "as a whole")]:  # fmt: skip
        with pytest.raises(ValidationError, match=reason):
            exported(labelset, "coco", since=given)
    page = reverse("warehouse:labelset-export", args=["acme", labelset.pk])
    answer = client_of(owner).get(page, {"since": ahead})
    assert answer.status_code == 422 and b"export the labelset as a whole" in answer.content
    assert client_of(owner).get(page, {"since": cursor}).status_code == 200


def test_a_dump_that_was_loaded_is_another_database(labelset: Labelset) -> None:
    before = changes.now(labelset)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE warehouse_labelsetentry RENAME TO of_before")
        cursor.execute("CREATE TABLE warehouse_labelsetentry (LIKE of_before INCLUDING DEFAULTS)")
        with pytest.raises(ValidationError, match="restored"):
            changes.since(str(before), changes.now(labelset))
        transaction.set_rollback(True)
    assert changes.since(str(before), changes.now(labelset)) == before.horizon


def test_a_role_without_rights_of_its_own_gets_a_cursor(labelset: Labelset) -> None:
    mine = changes.now(labelset)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain NOSUPERUSER NOINHERIT")
        cursor.execute("SET LOCAL ROLE plain")
        cursor.execute("SELECT current_setting('is_superuser')")
        assert cursor.fetchone() == ("off",)
        assert changes.now(labelset).database == mine.database
        transaction.set_rollback(True)


def test_the_cursor_is_known_before_the_first_byte(labelset: Labelset) -> None:
    export = exports.begin(exports.FORMATS["coco"], labelset, by=None)
    assert json.loads(b"".join(export.content))["info"]["cursor"] == export.cursor
