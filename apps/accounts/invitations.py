"""Invitations: send, send again, revoke, accept. A token goes out by mail once; only its hash is stored."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import (
    Invitation,
    InvitationMail,
    InvitationQuerySet,
    Membership,
    Organization,
    User,
    digest_of,
    new_secret,
)
from apps.common.http import Conflict

log = logging.getLogger(__name__)

_SESSION_KEY = "invitation"


@transaction.atomic
def invite(*, organization: Organization, email: str, role: str, actor: User) -> Invitation:
    """Offer a role to an address and mail it the link. An invitation still pending is renewed with the new role."""
    _limit(actor)
    address = email.strip().lower()
    if Membership.objects.filter(organization=organization, user__email__iexact=address).exists():
        raise Conflict(f"{address} is a member already.")
    Organization.objects.select_for_update().get(pk=organization.pk)
    secret = new_secret()
    invitation = organization.invitations.pending().filter(email__iexact=address).first()
    invitation = invitation or Invitation(organization=organization, email=address, invited_by=actor)
    invitation.role = role
    _renew(invitation, secret)
    invitation.full_clean(exclude=["digest"])
    invitation.save()
    audit.record(organization, actor, "invited", address, role=role)
    transaction.on_commit(lambda: _mail(invitation, secret))
    return invitation


@transaction.atomic
def resend(*, invitation: Invitation, actor: User) -> Invitation:
    """A new link and seven more days; the old link stops working."""
    _limit(actor)
    fresh, secret = _locked(invitation), new_secret()
    _renew(fresh, secret)
    fresh.save(update_fields=["digest", "sent_at", "expires_at"])
    audit.record(fresh.organization, actor, "sent again", fresh.email, role=fresh.role)
    transaction.on_commit(lambda: _mail(fresh, secret))
    return fresh


@transaction.atomic
def revoke(*, invitation: Invitation, actor: User) -> None:
    fresh = _locked(invitation)
    fresh.revoked_at = timezone.now()
    fresh.save(update_fields=["revoked_at"])
    audit.record(fresh.organization, actor, "revoked the invitation of", fresh.email)


@transaction.atomic
def accept(*, invitation: Invitation, user: User, by_link: bool) -> Membership:
    """Join. The link proves the address; without it the address must have been verified before."""
    fresh = _locked(invitation)
    if fresh.is_expired():
        raise Conflict("This invitation has expired. Ask for a new one.")
    if fresh.email.lower() != user.email.lower():
        raise Conflict(f"This invitation is for {fresh.email}, and you are logged in as {user.email}.")
    if by_link:
        verify_address(user)
    elif not has_verified_address(user):
        raise Conflict("Verify your address first, or open the link in the invitation's e-mail.")
    membership, created = Membership.objects.get_or_create(
        organization=fresh.organization, user=user, defaults={"role": fresh.role}
    )
    fresh.accepted_at, fresh.accepted_by = timezone.now(), user
    fresh.save(update_fields=["accepted_at", "accepted_by"])
    if created:
        audit.record(fresh.organization, user, "joined", user.email, role=membership.role)
    return membership


def by_token(token: str) -> Invitation | None:
    """The invitation of a link, whatever has become of it."""
    return Invitation.objects.select_related("organization", "invited_by").filter(digest=digest_of(token)).first()


def waiting_for(user: User) -> InvitationQuerySet:
    """Open invitations of a person's address; none as long as the address is not verified."""
    if not has_verified_address(user):
        return Invitation.objects.none()
    return Invitation.objects.open().filter(email__iexact=user.email).select_related("organization", "invited_by")


def has_verified_address(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists())


def verify_address(user: User) -> None:
    """The person has shown that mail to the address reaches them."""
    changed = EmailAddress.objects.filter(user=user, email__iexact=user.email).update(verified=True, primary=True)
    if not changed:
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


def remember(session: MutableMapping[str, Any], invitation: Invitation) -> None:
    """Keep in an anonymous session that its link was opened."""
    session[_SESSION_KEY] = invitation.pk


def remembered(session: MutableMapping[str, Any]) -> Invitation | None:
    """The invitation whose link this session opened, if it can still be accepted."""
    key = session.get(_SESSION_KEY)
    return Invitation.objects.open().select_related("organization").filter(pk=key).first() if key else None


def forget(session: MutableMapping[str, Any]) -> None:
    session.pop(_SESSION_KEY, None)


def _life() -> timedelta:
    return timedelta(days=settings.INVITATION_DAYS)


def _renew(invitation: Invitation, secret: str) -> None:
    invitation.digest, invitation.sent_at = digest_of(secret), timezone.now()
    invitation.expires_at = invitation.sent_at + _life()


def _limit(actor: User) -> None:
    """At most INVITATIONS_PER_HOUR mails an hour and person. The lock makes parallel requests count each other."""
    User.objects.select_for_update().get(pk=actor.pk)
    mails = InvitationMail.objects.filter(sender=actor)
    mails.filter(at__lte=timezone.now() - timedelta(hours=1)).delete()
    sent = mails.count()
    if sent >= settings.INVITATIONS_PER_HOUR:
        raise Conflict(f"You have sent {sent} invitations within an hour, which is the limit. Try again later.")
    InvitationMail.objects.create(sender=actor)


def _locked(invitation: Invitation) -> Invitation:
    """The row as it is now, locked; a Conflict when it has been used or revoked."""
    fresh = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if fresh.accepted_at:
        raise Conflict("This invitation has been used already.")
    if fresh.revoked_at or fresh.organization.deleting_at:
        raise Conflict("This invitation has been revoked.")
    return fresh


def _mail(invitation: Invitation, secret: str) -> None:
    link = settings.SITE_URL.rstrip("/") + reverse("accounts:invitation", args=[secret])
    context = {"invitation": invitation, "link": link, "days": settings.INVITATION_DAYS}
    text = render_to_string("accounts/email/invitation.txt", context)
    try:
        send_mail(f"Invitation to {invitation.organization.name} on Winnow", text, None, [invitation.email])
    except OSError as error:  # all that goes wrong on the way to a mail server is one
        log.exception("The mail of invitation %s was not sent", invitation.pk)
        raise Conflict(
            f"{invitation.email} is invited, but the e-mail with the link could not be sent ({error}). "
            "Send it again when the server's mail works."
        ) from error
