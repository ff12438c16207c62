"""Organizations, roles, ownership and API keys keep their promises."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiKey, AuditEvent, Membership, Organization, Role, User
from apps.accounts.signals import membership_ended
from apps.common.http import Conflict


def member(organization: Organization, user: User) -> Membership:
    return Membership.objects.get(organization=organization, user=user)


@pytest.fixture
def newcomer(db: None) -> User:
    return User.objects.create_user("new@example.com", "correct horse battery")


def test_the_creator_owns_the_organization(newcomer: User) -> None:
    organization = services.create_organization(owner=newcomer, name="  Öko Imaging ")
    assert (organization.name, organization.slug) == ("Öko Imaging", "oko-imaging")
    assert member(organization, newcomer).role == Role.OWNER


def test_slugs_of_equal_names_differ(newcomer: User, owner: User, organization: Organization) -> None:
    assert services.create_organization(owner=newcomer, name="ACME").slug == "acme-2"


def test_a_name_without_letters_still_gets_a_slug(newcomer: User) -> None:
    assert services.create_organization(owner=newcomer, name="株式会社").slug == "organization"


def test_a_second_organization_is_over_the_limit(newcomer: User, settings) -> None:
    services.create_organization(owner=newcomer, name="One")
    with pytest.raises(Conflict, match="own 1 on this server"):
        services.create_organization(owner=newcomer, name="Two")
    settings.ORGANIZATIONS_OWNED_LIMIT = 2
    assert services.create_organization(owner=newcomer, name="Two").slug == "two"


def test_the_database_refuses_a_second_owner(organization: Organization, owner: User, admin: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(user=admin).update(role=Role.OWNER)


def test_an_admin_cannot_raise_themselves(organization: Organization, admin: User) -> None:
    for role in (Role.OWNER, Role.LABELER):
        with pytest.raises(Conflict):
            services.change_role(membership=member(organization, admin), role=role, actor=admin)
    assert member(organization, admin).role == Role.ADMIN


def test_nobody_becomes_owner_by_a_role_change(organization: Organization, admin: User, owner: User) -> None:
    with pytest.raises(Conflict, match="transferred"):
        services.change_role(membership=member(organization, admin), role=Role.OWNER, actor=owner)


def test_an_admin_cannot_touch_the_owner(organization: Organization, admin: User, owner: User) -> None:
    with pytest.raises(Conflict):
        services.change_role(membership=member(organization, owner), role=Role.LABELER, actor=admin)
    with pytest.raises(Conflict, match="transfer ownership first"):
        services.remove_member(membership=member(organization, owner), actor=admin)


def test_the_owner_cannot_leave(organization: Organization, owner: User) -> None:
    with pytest.raises(Conflict, match="transfer ownership first"):
        services.remove_member(membership=member(organization, owner), actor=owner)


def test_ownership_moves_and_the_owner_stays_an_admin(organization: Organization, owner: User, admin: User) -> None:
    services.transfer_ownership(organization=organization, to=member(organization, admin), actor=owner)
    assert member(organization, admin).role == Role.OWNER
    assert member(organization, owner).role == Role.ADMIN
    with pytest.raises(Conflict, match="not the owner any more"):
        services.transfer_ownership(organization=organization, to=member(organization, admin), actor=owner)


def test_a_removed_members_end_is_told_after_commit_and_their_keys_go(
    organization: Organization, admin: User, labeler: User, django_capture_on_commit_callbacks
) -> None:
    told: list[tuple[int, int]] = []

    def note(organization_id: int, user_id: int, **_: object) -> None:
        told.append((organization_id, user_id))

    _, secret = services.create_api_key(organization=organization, user=labeler, name="script")
    membership_ended.connect(note)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.remove_member(membership=member(organization, labeler), actor=admin)
            assert told == []
    finally:
        membership_ended.disconnect(note)
    assert told == [(organization.pk, labeler.pk)]
    assert services.check_api_key(secret) is None
    assert AuditEvent.objects.filter(verb="removed", target=labeler.email, actor=admin).exists()


def test_a_key_is_shown_once_stored_hashed_and_found_by_its_secret(organization: Organization, labeler: User) -> None:
    key, secret = services.create_api_key(organization=organization, user=labeler, name="script")
    assert secret not in str(ApiKey.objects.values().get())
    assert services.check_api_key(secret) == key
    assert services.check_api_key(secret + "x") is None
    services.revoke_api_key(key=key, actor=labeler)
    assert services.check_api_key(secret) is None
    with pytest.raises(Conflict, match="already"):
        services.revoke_api_key(key=key, actor=labeler)


def test_last_use_of_a_key_is_written_at_most_once_a_minute(
    organization: Organization, labeler: User, django_assert_num_queries
) -> None:
    key, secret = services.create_api_key(organization=organization, user=labeler, name="script")
    services.check_api_key(secret)
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    services.check_api_key(secret)
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
    services.check_api_key(secret)
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first


def test_a_key_of_an_inactive_user_does_not_work(organization: Organization, labeler: User) -> None:
    _, secret = services.create_api_key(organization=organization, user=labeler, name="script")
    User.objects.filter(pk=labeler.pk).update(is_active=False)
    assert services.check_api_key(secret) is None
