"""Organizations, memberships and API keys: the changes that span rows."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts import audit
from apps.accounts.models import ApiKey, Membership, Organization, Role, User, digest_of, new_secret
from apps.accounts.signals import membership_ended
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run

_SLUG_LENGTH = 50


@transaction.atomic
def create_organization(*, owner: User, name: str) -> Organization:
    """A new organization with its owner. A person owns at most ORGANIZATIONS_OWNED_LIMIT."""
    User.objects.select_for_update().get(pk=owner.pk)
    if not may_create_organization(owner):
        raise Conflict(f"A person can own {settings.ORGANIZATIONS_OWNED_LIMIT} on this server, and you own as many.")
    with connection.cursor() as cursor:  # of two of one name at once the second sees the first one's slug
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('winnow organization slug', 0))")
    organization = Organization(name=name.strip(), slug=free_slug(name))
    organization.full_clean()
    organization.save()
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    audit.record(organization, owner, "created", f"organization {organization.name}")
    return organization


def may_create_organization(user: User) -> bool:
    return Membership.objects.of(user).filter(role=Role.OWNER).count() < settings.ORGANIZATIONS_OWNED_LIMIT


def free_slug(name: str) -> str:
    """The name as a slug, numbered when taken. The unique column has the last word."""
    stem = slugify(name)[:_SLUG_LENGTH] or "organization"
    taken = set(Organization.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    if stem not in taken:
        return stem
    return next(slug for n in range(2, len(taken) + 3) if (slug := f"{stem}-{n}") not in taken)


@transaction.atomic
def rename_organization(*, organization: Organization, name: str, actor: User) -> None:
    before, organization.name = organization.name, name.strip()
    organization.full_clean()
    organization.save(update_fields=["name"])
    audit.record(organization, actor, "renamed", f"organization {before}", to=organization.name)


@transaction.atomic
def change_role(*, membership: Membership, role: str, actor: User) -> Membership:
    """Make a member ADMIN or LABELER. Nobody changes their own role, nobody becomes OWNER this way."""
    member = _locked(membership)
    if role not in (Role.ADMIN, Role.LABELER):
        raise Conflict("Ownership is transferred by the owner, not given as a role.")
    if member.role == Role.OWNER:
        raise Conflict("The owner's role changes only by transferring ownership.")
    if member.user_id == actor.pk:
        raise Conflict("You cannot change your own role; ask another admin or the owner.")
    before = member.role
    if role != before:
        member.role = role
        member.save(update_fields=["role"])
        audit.record(member.organization, actor, "changed role", member.user.email, **{"from": before, "to": role})
    return member


@transaction.atomic
def remove_member(*, membership: Membership, actor: User) -> None:
    """End somebody's membership, or one's own (leaving). Work and names in history stay."""
    member = _locked(membership)
    leaving = member.user_id == actor.pk
    if member.role == Role.OWNER:
        raise Conflict("The owner cannot leave or be removed; transfer ownership first, or delete the organization.")
    organization_id, user_id = member.organization_id, member.user_id
    keys = member.user.api_keys.filter(organization_id=organization_id, revoked_at=None)
    keys.update(revoked_at=timezone.now())
    member.delete()
    audit.record(organization_id, actor, "left" if leaving else "removed", member.user.email, role=member.role)
    _tell_membership_ended(organization_id, user_id)


@transaction.atomic
def transfer_ownership(*, organization: Organization, to: Membership, actor: User) -> None:
    """The owner becomes an admin, the chosen member the owner."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    chosen = _locked(to)
    stepped_down = Membership.objects.filter(organization=organization, user=actor, role=Role.OWNER).update(
        role=Role.ADMIN
    )
    if stepped_down != 1:
        raise Conflict("Only the owner can transfer ownership, and you are not the owner any more.")
    if chosen.user_id == actor.pk:
        raise Conflict("You are the owner already.")
    chosen.role = Role.OWNER
    chosen.save(update_fields=["role"])
    audit.record(organization, actor, "transferred ownership", chosen.user.email)


@transaction.atomic
def delete_organization(*, organization: Organization, actor: User) -> Run:
    """Close the organization at once; a run then deletes what it holds, stored objects first."""
    closed = Organization.objects.filter(pk=organization.pk, deleting_at=None).update(deleting_at=timezone.now())
    if closed != 1:
        raise Conflict("This organization is being deleted already.")
    user_ids = list(organization.memberships.values_list("user_id", flat=True))
    audit.record(organization, actor, "deleted", f"organization {organization.name}")
    # The run is nobody's: it must outlive the organization to tell how the deletion ended.
    run = runs.create(
        organization=None,
        kind="organization-delete",
        target=organization.pk,
        params={"name": organization.name},
        requested_by=actor,
    )
    runs.enqueue(run)
    for user_id in user_ids:
        _tell_membership_ended(organization.pk, user_id)
    return run


def deletions_of(user: User) -> QuerySet[Run]:
    """Runs of the last day that delete organizations of this person."""
    since = timezone.now() - timedelta(days=1)
    return Run.objects.filter(kind="organization-delete", requested_by=user, created_at__gt=since).order_by("-pk")


@transaction.atomic
def create_api_key(*, organization: Organization, user: User, name: str) -> tuple[ApiKey, str]:
    """A new key and its secret, which is shown once and stored only as a hash."""
    secret = new_secret()
    key = ApiKey(organization=organization, user=user, name=name.strip(), prefix=secret[:8], digest=digest_of(secret))
    key.full_clean()
    key.save()
    audit.record(organization, user, "created key", str(key))
    return key, secret


@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: User) -> None:
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()) != 1:
        raise Conflict("This key has been revoked already.")
    audit.record(key.organization_id, actor, "revoked key", str(key), of=key.user.email)


def check_api_key(secret: str) -> ApiKey | None:
    """The key with this secret, if it is valid: not revoked, its user active and still a member."""
    now = timezone.now()
    key = (
        ApiKey.objects.select_related("user", "organization")
        .filter(digest=digest_of(secret), revoked_at=None, user__is_active=True, organization__deleting_at=None)
        .filter(organization__memberships__user=F("user"))
        .first()
    )
    if key is not None:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1))
        ApiKey.objects.filter(unused, pk=key.pk).update(last_used_at=now)
    return key


def _tell_membership_ended(organization_id: int, user_id: int) -> None:
    transaction.on_commit(
        lambda: membership_ended.send(sender=Membership, organization_id=organization_id, user_id=user_id)
    )


def _locked(membership: Membership) -> Membership:
    """The row as it is now, locked; a Conflict when it is gone."""
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user", "organization")
    fresh = rows.filter(pk=membership.pk).first()
    if fresh is None:
        raise Conflict("This person is not a member any more.")
    return fresh
