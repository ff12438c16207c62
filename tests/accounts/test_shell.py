"""The shell around every page: rights decide its links, an ended session keeps the page."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, Organization, User

ClientOf = Callable[[User], Client]


def test_a_labeler_sees_projects_and_neither_warehouse_nor_members(
    client_of: ClientOf, labeler: User, organization: Organization
) -> None:
    page = client_of(labeler).get("/o/acme/projects/").content.decode()
    assert 'title="Projects"' in page
    assert 'title="Data Warehouse"' not in page
    assert 'title="Members"' not in page


def test_an_owner_sees_all_of_the_sidebar(client_of: ClientOf, owner: User) -> None:
    page = client_of(owner).get("/o/acme/projects/").content.decode()
    for title in ("Projects", "Data Warehouse", "Members"):
        assert f'title="{title}"' in page


def test_a_stranger_gets_404_where_a_labeler_gets_403(client_of: ClientOf, labeler: User, stranger: User) -> None:
    datasets = reverse("warehouse:datasets", args=["acme"])
    assert client_of(labeler).get(datasets).status_code == 403
    assert client_of(stranger).get(datasets).status_code == 404


def test_a_page_of_an_ended_session_goes_to_the_login(organization: Organization) -> None:
    response = Client().get("/o/acme/projects/")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/o/acme/projects/"


def test_a_fragment_of_an_ended_session_answers_401_and_no_login_page(organization: Organization) -> None:
    response = Client().get("/o/acme/projects/", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert b"<form" not in response.content


def test_the_last_visit_of_a_member_is_noted(client_of: ClientOf, owner: User) -> None:
    client_of(owner).get("/o/acme/projects/")
    assert Membership.objects.get(user=owner).last_seen_at is not None


def test_home_leads_to_the_one_organization_or_to_the_choice(client_of: ClientOf, owner: User) -> None:
    assert client_of(owner).get("/")["Location"] == "/o/acme/projects/"
    newcomer = User.objects.create_user("new@example.com", "correct horse battery")
    assert client_of(newcomer).get("/")["Location"] == "/organizations/"


def test_no_page_has_inline_script_or_style(client_of: ClientOf, owner: User) -> None:
    response = client_of(owner).get("/o/acme/projects/")
    page = response.content.decode()
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "style=" not in page and "<style" not in page
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=')
