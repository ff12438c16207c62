"""The pages of members, keys, settings and the audit trail answer what people do on them."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import audit, services
from apps.accounts.forms import ProfileForm
from apps.accounts.models import ApiKey, Invitation, Membership, Organization, Role, User

ClientOf = Callable[[User], Client]


def url(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=["acme", *args])


@pytest.fixture
def client(owner: User, client_of: ClientOf) -> Client:
    return client_of(owner)


def member(user: User) -> Membership:
    return Membership.objects.get(user=user, organization__slug="acme")


def test_the_owner_changes_a_role_and_the_trail_tells(client: Client, labeler: User) -> None:
    client.post(url("change-role", member(labeler).pk), {"role": "ADMIN"})
    assert member(labeler).role == Role.ADMIN
    trail = client.get(url("audit-trail")).content.decode()
    assert "changed role" in trail and "labeler@example.com" in trail


def test_an_admin_who_raises_themselves_is_told_why_not(client_of: ClientOf, admin: User) -> None:
    for role in ("OWNER", "ADMIN"):
        answer = client_of(admin).post(url("change-role", member(admin).pk), {"role": role})
        assert answer.status_code == 409
    assert member(admin).role == Role.ADMIN
    assert client_of(admin).post(url("make-owner", member(admin).pk)).status_code == 403


def test_the_last_owner_cannot_leave(client: Client) -> None:
    answer = client.post(url("leave"))
    assert answer.status_code == 409
    assert b"transfer ownership first" in answer.content


def test_a_member_leaves(client_of: ClientOf, labeler: User) -> None:
    assert client_of(labeler).post(url("leave"))["Location"] == "/organizations/"
    assert not Membership.objects.filter(user=labeler).exists()


def test_ownership_is_transferred(client: Client, admin: User, owner: User) -> None:
    client.post(url("make-owner", member(admin).pk))
    assert (member(admin).role, member(owner).role) == (Role.OWNER, Role.ADMIN)
    assert client.get(url("settings")).status_code == 403


def test_members_of_another_organization_cannot_be_touched(client: Client, stranger: User) -> None:
    foreign = Membership.objects.get(user=stranger)
    for name in ("change-role", "remove-member", "make-owner"):
        assert client.post(url(name, foreign.pk), {"role": "LABELER"}).status_code == 404
    foreign.refresh_from_db()
    assert foreign.role == Role.OWNER


def test_many_members_come_in_pages(client: Client, organization: Organization) -> None:
    users = User.objects.bulk_create(User(email=f"m{n:03}@example.com") for n in range(120))
    Membership.objects.bulk_create(Membership(organization=organization, user=u, role=Role.LABELER) for u in users)
    seen, query = [], ""
    while True:
        page = client.get(url("members") + query)
        seen += [row.user.email for row in page.context["rows"]]
        query = page.context["pager"]["next"]
        if not query:
            break
    assert len(seen) == len(set(seen)) == 121


def test_pending_invitations_and_keys_come_in_pages_of_their_own(
    client: Client, organization: Organization, owner: User
) -> None:
    now = timezone.now()
    Invitation.objects.bulk_create(
        Invitation(
            organization=organization, email=f"n{n:02}@example.com", role=Role.LABELER, digest=str(n), invited_by=owner,
            sent_at=now, expires_at=now,
        )
        for n in range(51)
    )  # fmt: skip
    first = client.get(url("members"))
    assert [len(first.context[name]) for name in ("rows", "pending")] == [1, 50]
    second = client.get(url("members") + first.context["pending_pager"]["next"])
    assert [each.email for each in second.context["pending"]] == ["n00@example.com"] and second.context["rows"]
    assert b"pending-before=" in second.content
    ApiKey.objects.bulk_create(
        ApiKey(organization=organization, user=owner, name=f"k{n:02}", prefix=str(n), digest=str(n)) for n in range(51)
    )
    keys = client.get(url("api-keys") + client.get(url("api-keys")).context["pager"]["next"]).context["keys"]
    assert [key.name for key in keys] == ["k00"]


def test_a_rejected_invitation_keeps_what_was_typed_and_says_why(client: Client, labeler: User) -> None:
    answer = client.post(url("invite"), {"email": "labeler@example.com", "role": "ADMIN"})
    assert answer.status_code == 422
    assert b"labeler@example.com is a member already" in answer.content
    assert b'value="labeler@example.com"' in answer.content
    assert not Invitation.objects.exists()


def test_the_organization_is_renamed_and_its_address_stays(client: Client) -> None:
    client.post(url("settings"), {"name": "Acme Imaging"})
    assert Organization.objects.get(slug="acme").name == "Acme Imaging"


@pytest.mark.parametrize("typed", ["", "acme", "Acme Inc"])
def test_deletion_needs_the_exact_name(client: Client, typed: str) -> None:
    answer = client.post(url("delete-organization"), {"confirmation": typed})
    assert answer.status_code == 422
    assert Organization.objects.get(slug="acme").deleting_at is None


def test_a_new_key_is_shown_once(client: Client) -> None:
    shown = client.post(url("api-keys"), {"name": "script"})
    secret = shown.context["secret"]
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert services.check_api_key(secret) is not None
    assert secret not in client.get(url("api-keys")).content.decode()


def test_a_labeler_manages_their_own_keys_and_a_manager_revokes_any(
    client: Client, client_of: ClientOf, labeler: User, owner: User, organization: Organization
) -> None:
    own, _ = services.create_api_key(organization=organization, user=labeler, name="mine")
    other, _ = services.create_api_key(organization=organization, user=owner, name="the owner's")
    page = client_of(labeler).get(url("api-keys")).content.decode()
    assert "mine" in page and "the owner" not in page
    assert client_of(labeler).post(url("revoke-api-key", other.pk)).status_code == 404
    assert client.post(url("revoke-api-key", own.pk)).status_code == 302
    assert list(ApiKey.objects.filter(revoked_at=None)) == [other]


def test_the_trail_is_filtered_and_paged(client: Client, owner: User, admin: User, organization: Organization) -> None:
    for n in range(60):
        audit.record(organization, owner, "flushed", f"stage {n:02}", tasks=n)
    audit.record(organization, admin, "exported", "labelset Final")
    audit.record(organization, None, "retried", "import 7")

    def targets(query: str) -> list[str]:
        return [event.target for event in client.get(url("audit-trail") + query).context["events"]]

    assert targets("")[:2] == ["import 7", "labelset Final"]
    assert targets(f"?actor={admin.pk}") == ["labelset Final"]
    assert targets("?verb=exported&q=final") == ["labelset Final"]
    assert targets("?q=stage%201")[0] == "stage 19" and len(targets("?q=stage%201")) == 10
    first = client.get(url("audit-trail") + "?verb=flushed")
    rest = targets(first.context["pager"]["next"])
    assert len(first.context["events"]) + len(rest) == 60 and rest[-1] == "stage 00"
    assert b"No event matches" in client.get(url("audit-trail") + "?q=nothing").content


def test_the_theme_is_remembered_for_the_person_and_before_login(client: Client, owner: User) -> None:
    answer = client.post(reverse("accounts:theme"), {"theme": "dark", "next": "/o/acme/projects/"})
    assert answer["Location"] == "/o/acme/projects/"
    assert User.objects.get(pk=owner.pk).theme == "dark"
    assert b'data-theme="dark"' in client.get("/o/acme/projects/").content
    client.logout()
    client.cookies["theme"] = "dark"
    assert b'data-theme="dark"' in client.get("/accounts/login/").content
    assert client.post(reverse("accounts:theme"), {"theme": "loud"}).status_code == 422
    away = client.post(reverse("accounts:theme"), {"theme": "light", "next": "https://elsewhere.example/"})
    assert away["Location"] == "/"


def test_the_profile_is_saved(client: Client, owner: User) -> None:
    client.post(reverse("accounts:profile"), {"name": "Ada", "theme": "auto"})
    assert User.objects.get(pk=owner.pk).name == "Ada"


def test_a_first_login_leads_to_creating_an_organization(client_of: ClientOf, db: None) -> None:
    newcomer = client_of(User.objects.create_user("new@example.com", "correct horse battery"))
    assert b"Create your organization" in newcomer.get("/", follow=True).content
    assert newcomer.post("/organizations/", {"name": "Öko"})["Location"] == "/o/oko/projects/"
    again = newcomer.post("/organizations/", {"name": "Two"})
    assert again.status_code == 422 and b"A person can own 1" in again.content


def test_personal_pages_keep_the_organization_in_the_sidebar(client: Client) -> None:
    client.get("/o/acme/projects/")
    page = client.get(reverse("accounts:profile")).content.decode()
    assert 'title="Data Warehouse"' in page and 'aria-current="page">Profile' in page


def test_a_profile_that_is_saved_undoes_nothing_of_another_window(owner: User) -> None:
    form = ProfileForm({"name": "Ada", "theme": "dark"}, instance=User.objects.get(pk=owner.pk))
    assert form.is_valid()
    User.objects.filter(pk=owner.pk).update(preferences={"workspace": {"zoom": 2}}, is_active=False)
    form.save()
    saved = User.objects.get(pk=owner.pk)
    assert (saved.name, saved.theme) == ("Ada", "dark")
    assert (saved.preferences, saved.is_active) == ({"workspace": {"zoom": 2}}, False)
