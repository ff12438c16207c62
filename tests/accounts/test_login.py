"""Signing up, logging in, resetting: throttled, and no way to find out who has an account."""

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEvent, User

ClientOf = Callable[[User], Client]
PASSWORD = "correct horse battery"


def log_in(client: Client, email: str, password: str):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def page(response) -> str:
    """The page without what differs from request to request."""
    return re.sub(r"[A-Za-z0-9]{64}|\w+@example.com", "", response.content.decode())


def confirm_access(client: Client) -> None:
    """Sensitive pages ask for the password once more."""
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


@pytest.fixture
def verified(labeler: User) -> User:
    EmailAddress.objects.create(user=labeler, email=labeler.email, verified=True, primary=True)
    return labeler


def test_login_answers_alike_for_known_and_unknown_addresses(labeler: User) -> None:
    known = log_in(Client(), labeler.email, "wrong password")
    unknown = log_in(Client(), "nobody@example.com", "wrong password")
    assert known.status_code == unknown.status_code == 200
    assert page(known) == page(unknown)
    assert "The e-mail address or the password is not correct." in page(known)


def test_login_hashes_a_password_for_an_unknown_address_too(labeler: User, settings, monkeypatch) -> None:
    """The time of an answer is that of one hash, whoever asks: the same work is done either way."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed: list[str] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: hashed.append("once") or encode(self, *args))
    log_in(Client(), labeler.email, "wrong password")
    for_known = len(hashed)
    log_in(Client(), "nobody@example.com", "wrong password")
    assert for_known == 1
    assert len(hashed) == 2


def test_reset_answers_alike_and_mails_both(labeler: User) -> None:
    answers = [
        Client().post(reverse("account_reset_password"), {"email": email}, follow=True)
        for email in (labeler.email, "nobody@example.com")
    ]
    assert page(answers[0]) == page(answers[1])
    assert [message.to for message in mail.outbox] == [[labeler.email], ["nobody@example.com"]]
    assert "password/reset/key" in mail.outbox[0].body
    assert "password/reset/key" not in mail.outbox[1].body


def test_sign_up_with_verified_mail_answers_alike_for_a_taken_address(labeler: User, settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answers = [
        Client().post(reverse("account_signup"), {"email": email, "password1": PASSWORD}, follow=True)
        for email in (labeler.email, "nobody@example.com")
    ]
    assert page(answers[0]) == page(answers[1])
    assert User.objects.filter(email=labeler.email).count() == 1
    assert "already" in mail.outbox[0].body.lower()


def test_a_taken_address_is_named_in_the_form_where_no_mail_verifies(labeler: User) -> None:
    answer = Client().post(reverse("account_signup"), {"email": "Labeler@Example.com", "password1": PASSWORD})
    assert "There is an account with this address already" in answer.content.decode()


def test_logging_in_too_often_is_throttled_and_says_so(labeler: User) -> None:
    client = Client()
    texts = [log_in(client, labeler.email, "wrong password").content.decode() for _ in range(6)]
    assert "Too many failed login attempts" in texts[-1]
    assert "Too many" in log_in(client, labeler.email, PASSWORD).content.decode()


def test_an_address_logs_in_however_it_is_written(verified: User) -> None:
    assert log_in(Client(), "LABELER@example.com", PASSWORD)["Location"] == "/"


def test_a_short_or_common_password_is_refused_with_the_reason(db: None) -> None:
    answer = Client().post(reverse("account_signup"), {"email": "new@example.com", "password1": "password"})
    assert "too short" in answer.content.decode() and "too common" in answer.content.decode()
    assert not User.objects.filter(email="new@example.com").exists()


def test_changing_the_address_tells_both_and_counts_once_confirmed(client_of: ClientOf, verified: User) -> None:
    client = Client()
    log_in(client, verified.email, PASSWORD)
    assert client.post(reverse("account_email"), {"action_add": "", "email": "a@example.com"}).status_code == 302
    assert mail.outbox == []
    confirm_access(client)
    client.post(reverse("account_email"), {"action_add": "", "email": "Moved+1@Example.com"})
    assert mail.outbox[-1].to == ["moved+1@example.com"]
    assert User.objects.get(pk=verified.pk).email == verified.email
    path = re.search(r"/accounts/confirm-email/[^\s/]+/", mail.outbox[-1].body)
    assert path
    client.post(path[0])
    assert User.objects.get(pk=verified.pk).email == "moved+1@example.com"
    assert ["labeler@example.com"] in [message.to for message in mail.outbox[1:]]
    event = AuditEvent.objects.get(verb="changed address")
    assert (event.target, event.detail) == ("labeler@example.com", {"to": "moved+1@example.com"})


def test_a_session_of_another_browser_can_be_ended(verified: User) -> None:
    here, there = Client(), Client(headers={"user-agent": "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Firefox/128.0"})
    for client in (here, there):
        log_in(client, verified.email, PASSWORD)
        client.get("/me/profile/")
    listed = here.get(reverse("usersessions_list")).content.decode()
    assert ">Firefox on Windows<" in listed
    end = re.search(r"/me/sessions/\d+/end/", listed)
    assert end
    assert here.post(end[0]).status_code == 302
    assert there.get("/me/profile/").status_code == 302
    assert here.get("/me/profile/").status_code == 200


def test_a_session_of_somebody_else_cannot_be_ended(verified: User, stranger: User) -> None:
    from allauth.usersessions.models import UserSession

    log_in(client := Client(), verified.email, PASSWORD)
    client.get("/me/profile/")
    session = UserSession.objects.get(user=verified)
    log_in(other := Client(), stranger.email, PASSWORD)
    assert other.post(f"/me/sessions/{session.pk}/end/").status_code == 404
    assert client.get("/me/profile/").status_code == 200


def test_an_authenticator_app_is_asked_for_and_a_recovery_code_works_once(verified: User) -> None:
    client = Client()
    log_in(client, verified.email, PASSWORD)
    confirm_access(client)
    shown = client.get(reverse("mfa_activate_totp"))
    secret = shown.context["form"].secret
    counter = max(yield_hotp_counters_from_time())
    code = format_hotp_value(hotp_value(secret, counter))
    assert client.post(reverse("mfa_activate_totp"), {"code": code}).status_code == 302
    codes = client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    assert len(codes) == 10

    again = Client()
    assert log_in(again, verified.email, PASSWORD)["Location"] == reverse("mfa_authenticate")
    assert again.get("/me/profile/").status_code == 302
    assert b"Log in" in again.get(reverse("mfa_authenticate")).content
    assert again.post(reverse("mfa_authenticate"), {"code": codes[0]})["Location"] == "/"
    assert again.get("/me/profile/").status_code == 200

    log_in(third := Client(), verified.email, PASSWORD)
    assert third.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == 200
