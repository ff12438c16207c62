"""A caller with a key, for every role of the cast."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts import services
from apps.accounts.models import Organization, User
from tests.autolabel.loop import Loop, make_loop


class Caller:
    """Speaks JSON to the API with one user's key."""

    def __init__(self, secret: str, slug: str) -> None:
        self.secret = secret
        self.root = f"/api/v1/organizations/{slug}"
        self.client = Client()

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(self.root + path, params, headers=self._headers())

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        sent = self._headers() | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(self.root + path, body or {}, content_type="application/json", headers=sent)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        content = "" if body is None else json.dumps(body)
        return self.client.generic(
            method, self.root + path, content, content_type="application/json", headers=self._headers()
        )

    def stream(self, path: str, body: bytes) -> Any:
        return self.client.generic(
            "POST", self.root + path, body, content_type="application/x-ndjson", headers=self._headers()
        )

    def upload(self, path: str, fields: dict[str, Any]) -> Any:
        return self.client.post(self.root + path, fields, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


@pytest.fixture
def caller_of(organization: Organization) -> Callable[[User], Caller]:
    def make(user: User) -> Caller:
        _, secret = services.create_api_key(organization=organization, user=user, name="test")
        return Caller(secret, organization.slug)

    return make


@pytest.fixture
def caller(caller_of: Callable[[User], Caller], owner: User) -> Caller:
    return caller_of(owner)


@pytest.fixture
def loop(organization: Organization, owner: User) -> Loop:
    return make_loop(organization, owner, images=40)
