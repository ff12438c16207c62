"""What two requests at the same moment do: one wins, the other is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from apps.accounts import invitations, services
from apps.accounts.models import AuditEvent, Invitation, Membership, Organization, Role, User
from apps.common.http import Conflict

TOGETHER = 4

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(action: Callable[[], Any]) -> list[str]:
    """Do it in several threads that start together; what each was told, empty for those that succeeded."""
    start = Barrier(TOGETHER)

    def run(_: int) -> str:
        try:
            start.wait()
            action()
        except Conflict as conflict:
            return conflict.message
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(run, range(TOGETHER)))


def test_an_invitation_is_accepted_once(organization: Organization, owner: User, stranger: User) -> None:
    invitation = invitations.invite(organization=organization, email=stranger.email, role=Role.LABELER, actor=owner)
    told = at_once(lambda: invitations.accept(invitation=invitation, user=stranger, by_link=True))
    assert sorted(told) == ["", *["This invitation has been used already."] * (TOGETHER - 1)]
    assert Membership.objects.filter(user=stranger, organization=organization).count() == 1
    assert AuditEvent.objects.filter(verb="joined").count() == 1


def test_an_address_gets_one_pending_invitation(organization: Organization, owner: User, admin: User) -> None:
    told = at_once(
        lambda: invitations.invite(organization=organization, email="new@example.com", role=Role.LABELER, actor=owner)
    )
    assert told == [""] * TOGETHER
    assert Invitation.objects.count() == 1


def test_the_limit_counts_parallel_invitations(organization: Organization, owner: User, settings: Any) -> None:
    settings.INVITATIONS_PER_HOUR = 2
    addresses = iter([f"n{n}@example.com" for n in range(TOGETHER)])
    told = at_once(
        lambda: invitations.invite(organization=organization, email=next(addresses), role=Role.LABELER, actor=owner)
    )
    assert told.count("") == 2 == Invitation.objects.count()


def test_a_person_creates_one_organization_at_the_limit(db: None) -> None:
    person = User.objects.create_user("new@example.com", "correct horse battery")
    told = at_once(lambda: services.create_organization(owner=person, name="Öko"))
    assert told.count("") == 1 == Organization.objects.count()


def test_organizations_of_one_name_all_get_an_address(db: None) -> None:
    people = iter([User.objects.create_user(f"n{n}@example.com", "correct horse battery") for n in range(TOGETHER)])
    told = at_once(lambda: services.create_organization(owner=next(people), name="Acme"))
    assert told == [""] * TOGETHER
    assert set(Organization.objects.values_list("slug", flat=True)) == {"acme", "acme-2", "acme-3", "acme-4"}


def test_ownership_goes_to_one(organization: Organization, owner: User, admin: User, labeler: User) -> None:
    targets = iter([admin, labeler] * TOGETHER)
    told = at_once(
        lambda: services.transfer_ownership(
            organization=organization, to=Membership.objects.get(user=next(targets)), actor=owner
        )
    )
    assert told.count("") == 1
    assert Membership.objects.filter(organization=organization, role=Role.OWNER).count() == 1
