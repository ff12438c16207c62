"""Inviting people, and what they see who were invited."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import invitations
from apps.accounts.access import Can, enter
from apps.accounts.adapters import AccountAdapter
from apps.accounts.forms import InviteForm
from apps.accounts.models import Invitation
from apps.accounts.views.members import page_of
from apps.common.http import Conflict, HtmxRequest


@require_POST
def invite(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            sent = invitations.invite(organization=organization, actor=request.user, **form.cleaned_data)
        except Conflict as conflict:
            form.add_error(None, conflict.message)
        else:
            messages.success(request, f"An invitation is on its way to {sent.email}.")
            return redirect("accounts:members", org)
    return render(request, "accounts/members.html", page_of(request, organization, form), status=422)


@require_POST
def resend(request: HtmxRequest, org: str, invitation: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    found = get_object_or_404(organization.invitations, pk=invitation)
    sent = invitations.resend(invitation=found, actor=request.user)
    messages.success(request, f"A new link is on its way to {sent.email}; the old one no longer works.")
    return redirect("accounts:members", org)


@require_POST
def revoke(request: HtmxRequest, org: str, invitation: int) -> HttpResponse:
    organization = enter(request, org, Can.MANAGE_MEMBERS)
    found = get_object_or_404(organization.invitations, pk=invitation)
    invitations.revoke(invitation=found, actor=request.user)
    messages.success(request, f"The invitation of {found.email} is revoked; its link no longer works.")
    return redirect("accounts:members", org)


@require_GET
@never_cache
@login_not_required
def opened(request: HtmxRequest, token: str) -> HttpResponse:
    """The link of an invitation: what it offers, to whom, and the ways to take it."""
    invitation = invitations.by_token(token)
    if invitation is None or not Invitation.objects.open().filter(pk=invitation.pk).exists():
        return render(request, "accounts/invitation_gone.html", {"invitation": invitation}, status=410)
    if not request.user.is_authenticated:
        invitations.remember(request.session, invitation)
        AccountAdapter(request).stash_verified_email(request, invitation.email)
    theirs = request.user.is_authenticated and request.user.email.lower() == invitation.email.lower()
    context = {"invitation": invitation, "token": token, "is_theirs": theirs}
    return render(request, "accounts/invitation.html", context)


@require_POST
def accept(request: HtmxRequest, token: str) -> HttpResponse:
    """Join by the link."""
    invitation = invitations.by_token(token)
    if invitation is None:
        return render(request, "accounts/invitation_gone.html", status=410)
    membership = invitations.accept(invitation=invitation, user=request.user, by_link=True)
    messages.success(request, f"You have joined {membership.organization.name}.")
    return redirect("projects:list", membership.organization.slug)


@require_POST
def switch(request: HtmxRequest, token: str) -> HttpResponse:
    """Log out and come back to the link, to take it as the person it is for."""
    logout(request)
    return redirect("accounts:invitation", token)


@require_POST
def join(request: HtmxRequest, invitation: int) -> HttpResponse:
    """Take an invitation that waits in the app, which shows it to verified addresses only."""
    found = get_object_or_404(invitations.waiting_for(request.user), pk=invitation)
    membership = invitations.accept(invitation=found, user=request.user, by_link=False)
    messages.success(request, f"You have joined {membership.organization.name}.")
    return redirect("projects:list", membership.organization.slug)


@require_POST
@login_not_required
def forget(request: HtmxRequest) -> HttpResponse:
    """Sign up without the invitation whose link was opened."""
    invitations.forget(request.session)
    AccountAdapter(request).unstash_verified_email(request)
    return redirect("account_signup")
