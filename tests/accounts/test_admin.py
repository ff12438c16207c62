"""The administration: for staff, through the throttled log-in, without secrets."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import audit
from apps.accounts.models import Organization, User
from tests.access import World

ClientOf = Callable[[User], Client]
MODELS = ("user", "organization", "membership", "invitation", "apikey", "auditevent")


@pytest.fixture
def staff(client_of: ClientOf, db: None) -> Client:
    return client_of(User.objects.create_superuser("root@example.com", "correct horse battery"))


@pytest.fixture
def world(organization: Organization, owner: User) -> World:
    world = World(organization, owner)
    assert world.invitation and world.key
    audit.record(organization, owner, "flushed", "stage A")
    return world


@pytest.mark.parametrize("model", MODELS)
def test_staff_finds_the_rows_and_sees_no_secret(model: str, staff: Client, world: World) -> None:
    page = staff.get(reverse(f"admin:accounts_{model}_changelist"), {"q": "acme" if model != "user" else "owner"})
    assert page.status_code == 200
    row = page.context["cl"].queryset.first() or page.context["cl"].root_queryset.first()
    shown = staff.get(reverse(f"admin:accounts_{model}_change", args=[row.pk])).content.decode()
    for secret in (world.key.digest, world.invitation.digest, world.owner.password):
        assert secret not in shown


def test_the_audit_trail_cannot_be_changed_by_staff(staff: Client, world: World) -> None:
    event = audit.record(world.organization, world.owner, "flushed", "stage B")
    path = reverse("admin:accounts_auditevent_change", args=[event.pk])
    assert staff.post(path, {"verb": "nothing"}).status_code == 403
    assert staff.post(reverse("admin:accounts_auditevent_delete", args=[event.pk])).status_code == 403


def test_anonymous_staff_goes_through_the_throttled_login(client: Client) -> None:
    assert client.get("/admin/login/")["Location"].startswith("/accounts/login/")


def test_members_are_no_staff(client_of: ClientOf, owner: User) -> None:
    assert client_of(owner).get("/admin/login/").status_code == 403
    assert client_of(owner).get("/admin/").status_code == 302
