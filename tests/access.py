"""What a row of the access matrix says, and the world of objects that its URLs name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.urls import get_resolver
from django.utils import timezone

from apps.accounts import services
from apps.accounts.access import Can
from apps.accounts.models import ApiKey, Invitation, Membership, Organization, Role, User, digest_of
from apps.common.models import Run
from apps.labeling.models import Comment
from apps.warehouse import services as warehouse
from apps.warehouse.models import Datapoint, Dataset, Import, Labelset, StorageMethod
from tests.labeling.workspace_desk import Picture, WorkDesk, make_desk

TOKEN = "a-token-of-an-invitation"


class World:
    """The objects of one organization, made when a row first asks for them."""

    def __init__(self, organization: Organization, owner: User) -> None:
        self.organization = organization
        self.owner = owner

    @cached_property
    def desk(self) -> WorkDesk:
        """A project with an active-learning stage and one image that is at work in it."""
        return make_desk(self.organization, [Picture("a.jpg")], by=self.owner)

    @cached_property
    def dataset(self) -> Dataset:
        return self.desk and Dataset.objects.get(organization=self.organization, name="Street")

    @cached_property
    def datapoint(self) -> Datapoint:
        return Datapoint.objects.get(dataset=self.dataset)

    @cached_property
    def labelset(self) -> Labelset:
        return self.desk and Labelset.objects.get(organization=self.organization, name="Final")

    @cached_property
    def upload(self) -> Import:
        return warehouse.begin_upload(dataset=self.dataset, by=self.owner)

    @cached_property
    def bucket(self) -> StorageMethod:
        return StorageMethod.objects.create(
            organization=self.organization,
            name="Bucket",
            provider=StorageMethod.Provider.AWS_S3,
            bucket="images",
            region="us-east-1",
            endpoint="http://127.0.0.1:9",
            access_key="key",
            secret_key="secret",
        )

    @cached_property
    def export(self) -> Run:
        return Run.objects.create(organization=self.organization, kind="export", requested_by=self.owner)

    @cached_property
    def comment(self) -> Comment:
        return Comment.objects.create(task=self.desk.task("a.jpg"), author=self.owner, text="Blurred")

    @cached_property
    def run(self) -> Run:
        return Run.objects.create(organization=self.organization, kind="import", requested_by=self.owner)

    @cached_property
    def invitation(self) -> Invitation:
        now = timezone.now()
        return Invitation.objects.create(
            organization=self.organization, email="new@example.com", role=Role.LABELER, digest=digest_of(TOKEN),
            invited_by=self.owner, sent_at=now, expires_at=now + timedelta(days=7),
        )  # fmt: skip

    @cached_property
    def member(self) -> Membership:
        """A member who is none of the cast."""
        user = User.objects.create_user("fourth@example.com", "correct horse battery")
        return Membership.objects.create(organization=self.organization, user=user, role=Role.LABELER)

    @cached_property
    def key(self) -> ApiKey:
        key, _ = services.create_api_key(organization=self.organization, user=self.member.user, name="script")
        return key


Make = Callable[[World], dict[str, Any]]


def nothing(world: World) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Row:
    """A page of an organization: the right that each method asks for. A method without one answers 405."""

    get: Can | None = None
    post: Can | None = None
    make: Make = nothing  # the URL's arguments besides the organization
    data: dict[str, Any] = field(default_factory=dict)
    also: frozenset[int] = frozenset()  # answers besides 2xx, 3xx, 409 and 422 that mean "allowed"


@dataclass(frozen=True)
class Api:
    """A resource of the HTTP API: the right that each method asks for."""

    methods: dict[str, Can | None]
    make: Make = nothing
    data: dict[str, Any] | None = None
    in_organization: bool = True
    is_upload: bool = False  # the body is a form with a file instead of JSON
    also: frozenset[int] = frozenset()  # answers besides 2xx, 3xx, 409 and 422 that mean "allowed"


@dataclass(frozen=True)
class Personal:
    """For everybody who is logged in."""

    method: str = "get"
    make: Make = nothing
    also: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Open:
    """For everybody, logged in or not; `answers`: what anonymous people get."""

    answers: frozenset[int] = frozenset({200})
    method: str = "get"
    make: Make = nothing


@dataclass(frozen=True)
class Staff:
    """For staff alone."""


def url_names() -> Iterator[str]:
    """Every URL of the resolver by its name, or by its path when it has none."""
    return _walk(get_resolver(), "", "")


def _walk(resolver: Any, namespace: str, path: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        here = path + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern, inner, here)
        else:
            yield f"{namespace}{pattern.name}" if pattern.name else here
