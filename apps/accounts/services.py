"""Organizations and memberships: the changes that span rows."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from apps.accounts import audit
from apps.accounts.models import Membership, Organization, Role, User
from apps.accounts.signals import membership_ended
from apps.common.http import Conflict

# First path segments under /o/ that a slug may not look like; the map has none today.
_SLUG_LENGTH = 50


@transaction.atomic
def create_organization(*, owner: User, name: str) -> Organization:
    """A new organization with its owner. A person owns at most ORGANIZATIONS_OWNED_LIMIT."""
    User.objects.select_for_update().get(pk=owner.pk)
    owned = Membership.objects.of(owner).filter(role=Role.OWNER).count()
    if owned >= settings.ORGANIZATIONS_OWNED_LIMIT:
        raise Conflict(f"You own {owned} already; this server allows {settings.ORGANIZATIONS_OWNED_LIMIT} a person.")
    organization = Organization(name=name.strip(), slug=free_slug(name))
    organization.full_clean()
    organization.save()
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    audit.record(organization, owner, "created", f"organization {organization.name}")
    return organization


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
    member.user.api_keys.filter(organization_id=organization_id).delete()
    member.delete()
    audit.record(organization_id, actor, "left" if leaving else "removed", member.user.email, role=member.role)
    transaction.on_commit(
        lambda: membership_ended.send(sender=Membership, organization_id=organization_id, user_id=user_id)
    )


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


def _locked(membership: Membership) -> Membership:
    """The row as it is now, locked; a Conflict when it is gone."""
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user", "organization")
    fresh = rows.filter(pk=membership.pk).first()
    if fresh is None:
        raise Conflict("This person is not a member any more.")
    return fresh
