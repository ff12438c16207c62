"""The taxonomies' pages: to whom, and what they answer to bad input."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.taxonomies import services


def url(name: str, *args: object) -> str:
    return reverse(f"taxonomies:{name}", args=["acme", *args])


@pytest.fixture
def client(owner: User, client_of) -> Client:
    return client_of(owner)


def test_pages_are_closed_to_strangers_and_labelers(
    organization: Organization, owner: User, stranger: User, labeler: User, client_of
) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a"])
    pages = [url("list"), url("new"), url("taxonomy", made.pk), url("edit", made.pk), url("export", made.pk)]
    posts = [url("new"), url("preview"), url("edit", made.pk), url("delete", made.pk)]
    for who, status in [(stranger, 404), (labeler, 403)]:
        assert {page: client_of(who).get(page).status_code for page in pages} == dict.fromkeys(pages, status)
        assert {post: client_of(who).post(post).status_code for post in posts} == dict.fromkeys(posts, status)
    assert {page: Client().get(page).status_code for page in pages} == dict.fromkeys(pages, 302)


def test_a_taxonomy_of_another_organization_is_404(organization: Organization, stranger: User, client: Client) -> None:
    other = services.create(organization=Organization.objects.get(slug="other"), name="Cells", tree=["a"])
    pages = [url("taxonomy", other.pk), url("edit", other.pk), url("export", other.pk)]
    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 404)


def test_the_list_shows_the_newest_versions_a_page_at_a_time(organization: Organization, client: Client) -> None:
    for number in range(52):
        row = services.create(organization=organization, name=f"T{number:02d}", tree=["a"])
    services.freeze(row)
    services.update(taxonomy=row, tree=["a", "b"])
    first = client.get(url("list"))
    assert [each.name for each in first.context["rows"]] == [f"T{number:02d}" for number in range(50)]
    rest = client.get(url("list") + first.context["links"]["next"])
    assert [(each.name, each.version) for each in rest.context["rows"]] == [("T50", 1), ("T51", 2)]


def test_a_taxonomy_is_made_from_lines(organization: Organization, client: Client) -> None:
    response = client.post(url("new"), {"name": "Roads", "categories": "vehicle\n  car\nperson"})
    made = organization.taxonomies.get()
    assert response["Location"] == url("taxonomy", made.pk)
    page = client.get(response["Location"]).content.decode()
    assert "vehicle" in page and "class 2" in page


def test_a_taxonomy_is_made_from_json(organization: Organization, client: Client) -> None:
    tree = [{"name": "object", "children": [{"name": "car", "classId": 3}]}]
    client.post(url("new"), {"name": "Roads", "categories": json.dumps(tree)})
    assert services.class_ids(organization.taxonomies.get()) == {3}


@pytest.mark.parametrize("text", ["", "a\na", "a\n b\n  c\n   d", "[{", '[{"name": 3}]', "[" * 50_000])
def test_bad_categories_are_told_and_kept_in_the_page(organization: Organization, client: Client, text: str) -> None:
    response = client.post(url("new"), {"name": "Roads", "categories": text})
    assert response.status_code == 422 and response.context["form"].errors["categories"]
    assert response.context["form"]["categories"].value() == text
    assert not organization.taxonomies.exists()


def test_the_preview_shows_the_tree_and_saves_nothing(organization: Organization, client: Client) -> None:
    shown = client.post(url("preview"), {"categories": "car\nbus"}).content.decode()
    assert "car" in shown and "class 1" in shown and not organization.taxonomies.exists()
    assert "there twice" in client.post(url("preview"), {"categories": "car\ncar"}).content.decode()


def test_editing_a_used_version_makes_the_next(organization: Organization, client: Client) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    services.freeze(made)
    gone = client.post(url("edit", made.pk), {"categories": "a [0]"})
    assert gone.status_code == 422 and b"labels may use this class" in gone.content
    client.post(url("edit", made.pk), {"categories": "a [0]\nb [1]\nc"})
    assert list(organization.taxonomies.order_by("version").values_list("version", flat=True)) == [1, 2]


def test_the_exported_json_makes_the_same_taxonomy(organization: Organization, client: Client) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    text = client.get(url("export", made.pk)).content.decode()
    client.post(url("new"), {"name": "Copy", "categories": text})
    copy = organization.taxonomies.get(name="Copy")
    assert services.nodes(copy) == services.nodes(made)


def test_a_used_version_is_not_deleted(organization: Organization, client: Client) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a"])
    services.freeze(made)
    client.post(url("delete", made.pk))
    assert organization.taxonomies.exists()


@pytest.mark.parametrize(("key", "count"), [("coco", 80), ("bdd", 10)])
def test_a_readymade_taxonomy_is_made_as_it_stands(
    organization: Organization, client: Client, key: str, count: int
) -> None:
    form = client.get(url("new"), {"from": key}).context["form"]
    client.post(url("new"), form.initial)
    made = organization.taxonomies.get()
    assert services.class_ids(made) == set(range(count))
    assert made.categories.get(class_id=2).name == "car"
