"""What follows from somebody signing up or changing the address."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, user_signed_up
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import invitations
from apps.accounts.models import User


@receiver(user_signed_up)
def join_by_the_link_that_was_opened(request: HttpRequest, user: User, **_: Any) -> None:
    """Who signs up after opening an invitation joins without another click."""
    invitation = invitations.remembered(request.session)
    if invitation is None or invitation.email.lower() != user.email.lower():
        return
    membership = invitations.accept(invitation=invitation, user=user, by_link=True)
    invitations.forget(request.session)
    messages.success(request, f"You have joined {membership.organization.name}.")


@receiver(email_changed)
def tell_organizations(
    request: HttpRequest, user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **_: Any
) -> None:
    """The trail of each organization names the old address and the new one."""
    from apps.accounts import audit

    before = from_email_address.email if from_email_address else user.email
    for membership in user.memberships.all():
        audit.record(membership.organization_id, user, "changed address", before, to=to_email_address.email)
