"""Signing up, an organization, the theme, logging out and in, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from playwright.sync_api import Browser, BrowserContext, Page, expect

from apps.accounts import invitations
from apps.accounts.models import Invitation, Organization, User
from tests.browser.screens import Shoot, screens

__all__ = ["screens"]

PASSWORD = "correct horse battery"
OWNERS_PAGES = [
    "/organizations/",
    "/o/acme/projects/",
    "/o/acme/members/",
    "/o/acme/members/rights/",
    "/o/acme/settings/",
    "/o/acme/settings/keys/",
    "/o/acme/settings/audit/",
    "/me/profile/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/no-such-page/",
]


def sign_up(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/accounts/signup/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


def test_sign_up_create_an_organization_switch_theme_log_out_and_in(page: Page, live_url: str) -> None:
    sign_up(page, live_url, "new@example.com")
    page.get_by_label("Name of the organization").fill("Öko Imaging")
    page.get_by_role("button", name="Create organization").click()
    expect(page).to_have_url(f"{live_url}/o/oko-imaging/projects/")
    expect(page.get_by_role("heading", name="Projects", exact=True)).to_be_visible()

    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "auto")
    with page.expect_response("**/me/theme/"):
        page.get_by_role("button", name="Theme: system").click()
        expect(root).to_have_attribute("data-theme", "light")
    with page.expect_response("**/me/theme/"):
        page.get_by_role("button", name="Theme: light").click()
        expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")

    page.locator(".sidebar .bottom summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(root).to_have_attribute("data-theme", "dark")
    page.get_by_label("E-mail").fill("New@Example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{live_url}/o/oko-imaging/projects/")


def test_a_wrong_password_keeps_the_address(page: Page, live_url: str, owner: User) -> None:
    page.goto(f"{live_url}/accounts/login/")
    page.get_by_label("E-mail").fill("owner@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert").filter(has_text="password")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("owner@example.com")


def test_pages_before_login_read_well(screens: Shoot, organization: Organization) -> None:
    for name in ("login", "signup", "password/reset"):
        screens(f"/accounts/{name}/", name.replace("/", "-"))


def test_pages_of_an_owner_read_well(
    screens: Shoot,
    console: Any,
    logged_in: Callable[[User], None],
    organization: Organization,
    owner: User,
    admin: User,
    labeler: User,
) -> None:
    console.expect("404")
    logged_in(owner)
    invitations.invite(organization=organization, email="new@example.com", role="LABELER", actor=owner)
    for path in OWNERS_PAGES:
        screens(path, path.strip("/").replace("/", "-"))


def test_pages_of_two_step_login_read_well(
    page: Page, screens: Shoot, live_url: str, logged_in: Callable[[User], None], owner: User
) -> None:
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    logged_in(owner)
    screens("/accounts/reauthenticate/", "accounts-reauthenticate")
    page.goto(f"{live_url}/accounts/2fa/totp/activate/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("Secret")).to_be_visible()
    screens("/accounts/2fa/totp/activate/", "accounts-2fa-totp-activate")
    page.goto(f"{live_url}/accounts/2fa/totp/activate/")
    secret = page.get_by_label("Secret").input_value()
    counter = max(yield_hotp_counters_from_time())
    page.get_by_label("Code").fill(format_hotp_value(hotp_value(secret, counter)))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    for name in ("", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/"):
        screens(f"/accounts/2fa/{name}", f"accounts-2fa-on-{name.strip('/').replace('/', '-')}")


def test_pages_of_an_invitation_read_well(
    page: Page,
    screens: Shoot,
    console: Any,
    live_url: str,
    logged_in: Callable[[User], None],
    organization: Organization,
    owner: User,
    stranger: User,
) -> None:
    console.expect("410")
    invitations.invite(organization=organization, email="new@example.com", role="LABELER", actor=owner)
    link = mailed_path()
    screens(link, "invitation-anonymous")
    screens("/accounts/signup/", "invitation-signup")
    logged_in(stranger)
    screens(link, "invitation-as-somebody-else")
    EmailAddress.objects.create(user=stranger, email=stranger.email, verified=True, primary=True)
    invitations.invite(organization=organization, email=stranger.email, role="ADMIN", actor=owner)
    screens(mailed_path(), "invitation-mine")
    screens("/organizations/", "invitation-waiting")
    invitations.revoke(invitation=Invitation.objects.get(email="new@example.com"), actor=owner)
    screens(link, "invitation-revoked")


@pytest.fixture
def second_window(browser: Browser, context: BrowserContext, console: Any) -> Iterator[Page]:
    """A window of somebody else: cookies of its own."""
    other = browser.new_context()
    other.on("page", console.watch)
    yield other.new_page()
    other.close()


def invite(page: Page, live_url: str, email: str, role: str = "Labeler") -> str:
    """Invite by the members page; the link that was mailed."""
    page.goto(f"{live_url}/o/acme/members/")
    page.get_by_role("button", name="Invite people").first.click()
    dialog = page.get_by_role("dialog", name="Invite to Acme")
    dialog.get_by_label("E-mail").fill(email)
    dialog.get_by_label("Role").select_option(role)
    dialog.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text(f"An invitation is on its way to {email}")).to_be_visible()
    return live_url + mailed_path()


def mailed_path() -> str:
    found = re.search(r"/invitations/[\w-]{43}/", mail.outbox[-1].body)
    assert found
    return found[0]


def test_a_new_person_is_invited_and_joins_in_another_window(
    page: Page, second_window: Page, live_url: str, logged_in: Callable[[User], None], owner: User
) -> None:
    logged_in(owner)
    link = invite(page, live_url, "new@example.com")
    second_window.goto(link)
    second_window.get_by_role("link", name="Create an account").click()
    expect(second_window.get_by_label("E-mail")).to_have_value("new@example.com")
    expect(second_window.get_by_label("E-mail")).to_be_disabled()
    second_window.get_by_label("Password").fill(PASSWORD)
    second_window.get_by_role("button", name="Create account").click()
    expect(second_window).to_have_url(f"{live_url}/o/acme/projects/")
    expect(second_window.get_by_role("link", name="Data Warehouse")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("combobox", name="Role of new@example.com")).to_have_value("LABELER")
    page.get_by_role("combobox", name="Role of new@example.com").select_option("Admin")
    expect(page.get_by_text("is now admin")).to_be_visible()
    second_window.reload()
    expect(second_window.get_by_role("link", name="Data Warehouse")).to_be_visible()


def test_a_known_person_is_invited_while_somebody_else_is_logged_in(
    page: Page, second_window: Page, live_url: str, logged_in: Callable[[User], None], owner: User, stranger: User
) -> None:
    logged_in(owner)
    sign_up(second_window, live_url, "else@example.com")
    second_window.goto(invite(page, live_url, "stranger@example.com", "Admin"))
    expect(second_window.get_by_text("You are logged in as else@example.com")).to_be_visible()
    second_window.get_by_role("button", name="Log out and go on as stranger@example.com").click()
    second_window.get_by_role("link", name="Log in with an account I have").click()
    second_window.get_by_label("E-mail").fill("stranger@example.com")
    second_window.get_by_label("Password").fill(PASSWORD)
    second_window.get_by_role("button", name="Log in").click()
    second_window.get_by_role("button", name="Join Acme").click()
    expect(second_window).to_have_url(f"{live_url}/o/acme/projects/")
    page.reload()
    expect(page.get_by_role("combobox", name="Role of stranger@example.com")).to_have_value("ADMIN")


def test_an_ended_session_keeps_the_page_and_goes_on_after_logging_in_again(
    page: Page, context: BrowserContext, live_url: str, logged_in: Callable[[User], None], owner: User, console: Any
) -> None:
    console.expect("401")
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/members/")
    page.get_by_role("button", name="Invite people").first.click()
    page.get_by_label("E-mail").fill("half-typed@exam")
    context.clear_cookies()
    page.evaluate("htmx.ajax('GET', '/o/acme/members/', '#content')")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    with context.expect_page() as opened:
        dialog.get_by_role("link", name="Log in again").click()
    login = opened.value
    login.get_by_label("E-mail").fill(owner.email)
    login.get_by_label("Password").fill(PASSWORD)
    login.get_by_role("button", name="Log in").click()
    expect(login.get_by_role("heading", name="You are logged in again")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("E-mail")).to_have_value("half-typed@exam")
    page.get_by_label("E-mail").fill("typed@example.com")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text("An invitation is on its way to typed@example.com")).to_be_visible()


def test_an_organization_is_deleted_only_once_its_name_is_typed(
    page: Page, live_url: str, logged_in: Callable[[User], None], owner: User, console: Any
) -> None:
    console.expect("404")
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/settings/")
    page.get_by_role("button", name="Delete organization").click()
    confirm = page.get_by_role("button", name="Delete for good")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type Acme to confirm").fill("acme")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type Acme to confirm").fill("Acme")
    confirm.click()
    expect(page.get_by_text("Acme is being deleted")).to_be_visible()
    assert page.goto(f"{live_url}/o/acme/projects/").status == 404  # type: ignore[union-attr]


def test_dialogs_ask_trap_and_return_the_focus(
    page: Page, live_url: str, logged_in: Callable[[User], None], owner: User, labeler: User
) -> None:
    logged_in(owner)
    page.goto(f"{live_url}/o/acme/members/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    opener = page.get_by_role("button", name="Invite people").first
    opener.click()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.locator("summary", has=page.locator("svg")).and_(page.get_by_label("More for labeler@example.com")).click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Remove Labeler from Acme?")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("labeler@example.com").first).to_be_visible()
