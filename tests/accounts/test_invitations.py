"""Invitations: bound to an address, used once, revocable, limited; nothing for an address nobody has verified."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import invitations
from apps.accounts.models import Invitation, InvitationMail, Membership, Organization, Role, User
from apps.accounts.purge import purge
from apps.common.http import Conflict

ClientOf = Callable[[User], Client]
PASSWORD = "correct horse battery"


@pytest.fixture
def invite(owner: User, organization: Organization, django_capture_on_commit_callbacks) -> Callable[..., str]:
    """invite(address): the path of the link that was mailed."""

    def send(email: str, role: str = Role.LABELER) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            invitations.invite(organization=organization, email=email, role=role, actor=owner)
        return mailed_link()

    return send


def mailed_link() -> str:
    found = re.search(r"/invitations/[\w-]{43}/", mail.outbox[-1].body)
    assert found, mail.outbox[-1].body
    return found[0]


def sign_up(client: Client, email: str) -> None:
    client.post(reverse("account_signup"), {"email": email, "password1": PASSWORD})


def role_of(email: str) -> str | None:
    return (
        Membership.objects.filter(user__email=email, organization__slug="acme").values_list("role", flat=True).first()
    )


def test_the_token_is_mailed_and_only_its_hash_is_stored(invite: Callable[..., str]) -> None:
    token = invite("new@example.com").split("/")[2]
    assert mail.outbox[-1].to == ["new@example.com"]
    assert token not in str(Invitation.objects.values().get())
    assert invitations.by_token(token) is not None


def test_a_new_person_signs_up_by_the_link_joins_and_is_verified(invite: Callable[..., str], client: Client) -> None:
    page = client.get(invite("New@Example.com"))
    assert b"Create an account" in page.content
    # What is typed for the address does not count: the link was sent to one.
    sign_up(client, "somebody-else@example.com")
    user = User.objects.get(email="new@example.com")
    assert role_of("new@example.com") == Role.LABELER
    assert invitations.has_verified_address(user)
    assert Invitation.objects.get().accepted_by == user
    assert client.get("/")["Location"] == "/o/acme/projects/"


def test_a_known_person_logs_in_and_joins(invite: Callable[..., str], client_of: ClientOf, stranger: User) -> None:
    link = invite(stranger.email, Role.ADMIN)
    client = client_of(stranger)
    assert b"Join Acme" in client.get(link).content
    assert client.post(f"{link}accept/")["Location"] == "/o/acme/projects/"
    assert role_of(stranger.email) == Role.ADMIN


def test_known_and_unknown_addresses_see_the_same_page(invite: Callable[..., str], stranger: User) -> None:
    def page(email: str) -> str:
        shown = Client().get(invite(email)).content.decode().replace(email, "ADDRESS")
        return re.sub(r"/invitations/[\w-]+|%2F[\w-]{43}|[A-Za-z0-9]{64}|\d\d:\d\d", "", shown)

    assert page(stranger.email) == page("nobody@example.com")


def test_an_invitation_works_once(invite: Callable[..., str], client_of: ClientOf, stranger: User) -> None:
    link = invite(stranger.email)
    client = client_of(stranger)
    client.post(f"{link}accept/")
    again = client.get(link)
    assert again.status_code == 410
    assert b"used already" in again.content
    assert client.post(f"{link}accept/").status_code == 409


def test_an_expired_link_says_so_and_who_can_send_it_again(
    invite: Callable[..., str], client_of: ClientOf, stranger: User
) -> None:
    link = invite(stranger.email)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert b"It expired on" in Client().get(link).content
    assert client_of(stranger).post(f"{link}accept/").status_code == 409
    assert role_of(stranger.email) is None


def test_a_revoked_link_no_longer_works(invite: Callable[..., str], client_of: ClientOf, owner: User) -> None:
    link = invite("new@example.com")
    invitation = Invitation.objects.get()
    client_of(owner).post(reverse("accounts:revoke-invitation", args=["acme", invitation.pk]))
    assert b"revoked" in Client().get(link).content
    client = Client()
    client.get(link)
    sign_up(client, "new@example.com")
    assert role_of("new@example.com") is None


def test_sending_again_renews_the_link_and_ends_the_old_one(
    invite: Callable[..., str], owner: User, django_capture_on_commit_callbacks
) -> None:
    old = invite("new@example.com")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        invitations.resend(invitation=Invitation.objects.get(), actor=owner)
    assert Client().get(mailed_link()).status_code == 200
    assert Client().get(old).status_code == 410


def test_opened_as_somebody_else_it_says_so_and_offers_to_switch(
    invite: Callable[..., str], client_of: ClientOf, stranger: User
) -> None:
    link = invite("new@example.com")
    client = client_of(stranger)
    page = client.get(link).content.decode()
    assert "You are logged in as stranger@example.com" in page
    assert client.post(f"{link}accept/").status_code == 409
    assert client.post(f"{link}switch/")["Location"] == link
    assert "_auth_user_id" not in client.session
    assert b"Create an account" in client.get(link).content
    assert role_of(stranger.email) is None


def test_capitals_are_the_same_address_and_a_plus_is_another(invite: Callable[..., str], owner: User) -> None:
    invite("New@Example.com")
    invite("new@example.COM", Role.ADMIN)
    assert Invitation.objects.values_list("email", "role").get() == ("new@example.com", Role.ADMIN)
    invite("new+tag@example.com")
    assert Invitation.objects.count() == 2


def test_a_member_is_not_invited_again(invite: Callable[..., str], labeler: User) -> None:
    with pytest.raises(Conflict, match="member already"):
        invite("LABELER@example.com")


def test_registering_somebodys_unverified_address_reveals_and_grants_nothing(invite: Callable[..., str]) -> None:
    link = invite("victim@example.com")
    attacker = Client()
    sign_up(attacker, "victim@example.com")
    user = User.objects.get(email="victim@example.com")
    assert not invitations.has_verified_address(user)
    assert b"Acme" not in attacker.get(reverse("accounts:organizations")).content
    invitation = Invitation.objects.get()
    assert attacker.post(reverse("accounts:join", args=[invitation.pk])).status_code == 404
    with pytest.raises(Conflict, match="Verify your address"):
        invitations.accept(invitation=invitation, user=user, by_link=False)
    assert role_of("victim@example.com") is None
    assert attacker.get("/o/acme/projects/").status_code == 404
    assert Client().get(link).status_code == 200


def test_a_verified_address_finds_its_invitation_in_the_app(
    invite: Callable[..., str], client_of: ClientOf, stranger: User
) -> None:
    invite(stranger.email)
    client = client_of(stranger)
    assert b"Waiting invitations" not in client.get(reverse("accounts:organizations")).content
    EmailAddress.objects.create(user=stranger, email=stranger.email, verified=True, primary=True)
    assert b"Waiting invitations" in client.get(reverse("accounts:organizations")).content
    client.post(reverse("accounts:join", args=[Invitation.objects.get().pk]))
    assert role_of(stranger.email) == Role.LABELER


def test_invitations_an_hour_are_limited(invite: Callable[..., str], settings, owner: User) -> None:
    settings.INVITATIONS_PER_HOUR = 3
    for n in range(3):
        invite(f"n{n}@example.com")
    with pytest.raises(Conflict, match="3 invitations within an hour"):
        invite("n3@example.com")
    with pytest.raises(Conflict, match="3 invitations within an hour"):
        invitations.resend(invitation=Invitation.objects.first(), actor=owner)
    assert len(mail.outbox) == 3
    purge(Organization.objects.get())
    other = Organization.objects.create(name="Other", slug="other")
    with pytest.raises(Conflict, match="3 invitations within an hour"):
        invitations.invite(organization=other, email="n4@example.com", role=Role.LABELER, actor=owner)
    InvitationMail.objects.update(at=timezone.now() - timedelta(hours=1))
    invitations.invite(organization=other, email="n4@example.com", role=Role.LABELER, actor=owner)
    assert InvitationMail.objects.count() == 1


def test_with_sign_up_by_invitation_only_the_link_opens_it(invite: Callable[..., str], settings) -> None:
    settings.SIGNUP = "invited"
    outsider = Client()
    assert b"Sign-up is by invitation" in outsider.get(reverse("account_signup")).content
    sign_up(outsider, "outsider@example.com")
    assert not User.objects.filter(email="outsider@example.com").exists()
    invited = Client()
    invited.get(invite("new@example.com"))
    sign_up(invited, "new@example.com")
    assert role_of("new@example.com") == Role.LABELER


def test_an_admin_invites_admins_and_labelers_but_no_owner(
    client_of: ClientOf, admin: User, labeler: User, stranger: User
) -> None:
    path = reverse("accounts:invite", args=["acme"])
    assert client_of(admin).post(path, {"email": "a@example.com", "role": "ADMIN"}).status_code == 302
    assert client_of(admin).post(path, {"email": "b@example.com", "role": "OWNER"}).status_code == 422
    assert client_of(labeler).post(path, {"email": "c@example.com", "role": "LABELER"}).status_code == 403
    assert client_of(stranger).post(path, {"email": "d@example.com", "role": "LABELER"}).status_code == 404
    assert list(Invitation.objects.values_list("email", flat=True)) == ["a@example.com"]


def test_a_mail_server_that_is_away_is_told_and_the_invitation_kept(
    client_of: ClientOf, owner: User, organization: Organization, settings: Any, transactional_db: None
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    with closed_port() as settings.EMAIL_PORT:
        data = {"email": "new@example.com", "role": Role.LABELER}
        response = client_of(owner).post(reverse("accounts:invite", args=["acme"]), data)
    page = response.content.decode()
    assert response.status_code == 422
    assert "the e-mail with the link could not be sent" in page and "Connection refused" in page
    assert Invitation.objects.pending().get().email == "new@example.com"


@contextmanager
def closed_port() -> Iterator[int]:
    """One that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
