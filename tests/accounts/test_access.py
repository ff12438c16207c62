"""Rights: decided in one place, shown as they are."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client
from django.utils import timezone

from apps.accounts.access import RIGHTS, Can, membership_for, table_of_rights
from apps.accounts.models import Membership, Organization, Role, User

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_right_has_its_roles_and_the_owner_has_all() -> None:
    assert RIGHTS.keys() == set(Can)
    assert all(Role.OWNER in roles for roles in RIGHTS.values())
    assert {can for can in Can if Role.ADMIN not in RIGHTS[can]} == {Can.DELETE_ORGANIZATION}


def test_the_docs_show_the_rights_as_they_are() -> None:
    written = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    assert written == table_of_rights(), "Run: manage.py rights > docs/access.md"


def test_the_rights_page_shows_the_same_table(client_of: Callable[[User], Client], labeler: User) -> None:
    page = client_of(labeler).get("/o/acme/members/rights/").content.decode()
    assert all(can.value.replace("'", "&#x27;") in page for can in Can)
    assert page.count(">yes<") == sum(len(roles) for roles in RIGHTS.values())
    assert "Your role in Acme: labeler." in page


def test_a_stranger_is_told_nothing_and_a_member_what_is_missing(labeler: User, stranger: User) -> None:
    with pytest.raises(Http404):
        membership_for(stranger, "acme", Can.SEE_PROJECTS)
    with pytest.raises(PermissionDenied, match="see datasets"):
        membership_for(labeler, "acme", Can.SEE_WAREHOUSE)


def test_an_organization_that_is_being_deleted_lets_nobody_in(owner: User, organization: Organization) -> None:
    Organization.objects.filter(pk=organization.pk).update(deleting_at=timezone.now())
    with pytest.raises(Http404):
        membership_for(owner, "acme", Can.SEE_PROJECTS)


def test_last_seen_is_written_at_most_once_a_minute(client_of: Callable[[User], Client], owner: User) -> None:
    client = client_of(owner)
    client.get("/o/acme/projects/")
    first = Membership.objects.get(user=owner).last_seen_at
    client.get("/o/acme/projects/")
    assert Membership.objects.get(user=owner).last_seen_at == first
    Membership.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))
    client.get("/o/acme/projects/")
    assert Membership.objects.get(user=owner).last_seen_at > first
