"""The audit trail is append-only, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction

from apps.accounts import audit
from apps.accounts.models import AuditEvent, Organization, User


def test_an_event_says_who_did_what_to_what(organization: Organization, owner: User) -> None:
    audit.record(organization, owner, "flushed", "stage ACTIVE_LEARNING", tasks=12)
    event = AuditEvent.objects.get()
    assert (event.actor, event.verb, event.target, event.detail) == (
        owner,
        "flushed",
        "stage ACTIVE_LEARNING",
        {"tasks": 12},
    )


def test_the_database_refuses_to_change_or_delete_an_event(organization: Organization, owner: User) -> None:
    event = audit.record(organization, owner, "flushed", "stage ACTIVE_LEARNING")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).update(verb="nothing")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        event.delete()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_auditevent")
    assert AuditEvent.objects.get().verb == "flushed"


def test_purging_one_organization_does_not_open_anothers_trail(
    organization: Organization, owner: User, stranger: User
) -> None:
    other = Organization.objects.get(slug="other")
    audit.record(other, stranger, "flushed", "stage A")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('winnow.purging', %s, true)", [str(organization.pk)])
        cursor.execute("DELETE FROM accounts_auditevent")
