"""Pages by key: complete, without repetition, forwards and back."""

from __future__ import annotations

import pytest
from django.db.models import F, Value
from django.http import Http404
from django.test import RequestFactory

from apps.accounts.models import Membership, Organization, Role, User
from apps.common.http import page_by_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def users() -> list[User]:
    names = ["ada", "bob", "bob", "bob", "cid", "dee", "dee"]
    return [User.objects.create_user(f"u{n}@example.com", name=name) for n, name in enumerate(names)]


ORDERS = [("id",), ("-id",), ("name", "id"), ("-name", "id"), ("name", "-id"), ("-date_joined", "-pk")]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pages_forwards_and_back_are_the_list(users: list[User], order: tuple[str, ...], size: int) -> None:
    whole = list(User.objects.order_by(*order))
    pages = [page_by_key(User.objects.all(), order, size=size)]
    while pages[-1].next:
        pages.append(page_by_key(User.objects.all(), order, after=pages[-1].next, size=size))
    assert [row for page in pages for row in page.rows] == whole
    back = [pages[-1]]
    while back[-1].previous:
        back.append(page_by_key(User.objects.all(), order, before=back[-1].previous, size=size))
    assert [page.rows for page in reversed(back)] == [page.rows for page in pages]


def test_an_order_over_a_relation_and_an_annotation(users: list[User]) -> None:
    organization = Organization.objects.create(name="Acme", slug="acme")
    for user in users:
        Membership.objects.create(organization=organization, user=user, role=Role.LABELER)
    rows = Membership.objects.annotate(weight=F("pk") * Value(2)).select_related("user")
    order = ("user__name", "-weight")
    first = page_by_key(rows, order, size=4)
    second = page_by_key(rows, order, after=first.next, size=4)
    assert first.rows + second.rows == list(rows.order_by(*order))


def test_an_empty_list_is_one_empty_page() -> None:
    page = page_by_key(User.objects.all(), ("id",))
    assert (page.rows, page.next, page.previous) == ([], "", "")


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WyJhIl0", "bnVsbA", "W251bGxd", "é", "WzEsMl0", "eyJhIjoxfQ", "W0luZmluaXR5XQ"]
)
def test_a_cursor_that_this_list_never_gave_is_a_404(cursor: str) -> None:
    with pytest.raises(Http404):
        page_by_key(User.objects.all(), ("id",), after=cursor)


def test_links_keep_the_filters_and_replace_the_cursor(users: list[User]) -> None:
    first = page_by_key(User.objects.all(), ("id",), size=2)
    request = RequestFactory().get("/", {"q": "a b", "after": "old", "before": "older"})
    assert first.links(request) == {"previous": "", "next": f"?q=a+b&after={first.next}"}
