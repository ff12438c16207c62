"""Sign-in through an OpenID Connect provider: a real one, on this machine, that asks for the person."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from oidc_provider_mock import User as Identity
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import Page, expect

from apps.accounts import invitations
from apps.accounts.models import Organization, User

PEOPLE = [
    Identity(sub="ada", claims={"email": "ada@example.com", "email_verified": True, "name": "Ada"}),
    Identity(sub="eve", claims={"email": "owner@example.com", "email_verified": False, "name": "Eve"}),
]


@pytest.fixture
def sign_in(page: Page, live_url: str, settings: Any, console: Any) -> Iterator[Callable[[str], None]]:
    """sign_in("ada"): through the button of the log-in page and the provider's own form."""
    # The provider's page takes its style sheet from elsewhere.
    console.expect("left the machine|ERR_FAILED")
    with run_server_in_thread(user_claims=PEOPLE) as server:
        origin = f"http://localhost:{server.server_port}"
        app = {"provider_id": "oidc", "name": "Acme ID", "client_id": "winnow", "secret": "of the test"}
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {"APPS": [app | {"settings": {"server_url": origin}}], "OAUTH_PKCE_ENABLED": True}
        }
        policy = copy.deepcopy(settings.CONTENT_SECURITY_POLICY)
        policy["DIRECTIVES"]["form-action"].append(origin)
        settings.CONTENT_SECURITY_POLICY = policy

        def through(subject: str) -> None:
            page.goto(f"{live_url}/accounts/login/")
            page.get_by_role("button", name="Continue with Acme ID").click()
            page.get_by_role("button", name=subject).first.click()

        yield through


def test_a_new_person_comes_in_and_their_address_counts_as_verified(
    page: Page, live_url: str, sign_in: Callable[[str], None], owner: User, organization: Organization
) -> None:
    invitations.invite(organization=organization, email="ada@example.com", role="LABELER", actor=owner)
    sign_in("ada")
    expect(page.get_by_role("heading", name="Waiting invitations")).to_be_visible()
    page.get_by_role("button", name="Join Acme").click()
    expect(page).to_have_url(f"{live_url}/o/acme/projects/")
    assert EmailAddress.objects.get(email="ada@example.com").verified


def test_an_unverified_address_of_the_provider_does_not_open_somebodys_account(
    page: Page, live_url: str, sign_in: Callable[[str], None], owner: User, settings: Any
) -> None:
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    sign_in("eve")
    expect(page.get_by_role("heading", name="Create your account")).to_be_visible()
    assert User.objects.filter(email="owner@example.com").count() == 1
    page.goto(f"{live_url}/o/acme/projects/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_by_invitation_only_the_provider_lets_nobody_else_in(
    page: Page, sign_in: Callable[[str], None], settings: Any, db: None
) -> None:
    settings.SIGNUP = "invited"
    sign_in("ada")
    expect(page.get_by_role("heading", name="Sign-up is by invitation")).to_be_visible()
    assert not User.objects.exists()
