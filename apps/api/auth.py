"""Who calls: an API key, as `Authorization: Bearer KEY` or in RedBrick's `ApiKey` header."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja.security import APIKeyHeader, HttpBearer

from apps.accounts import access
from apps.accounts.models import ApiKey, Organization, User
from apps.accounts.services import check_api_key


class BearerKey(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        return _known(request, token)


class HeaderKey(APIKeyHeader):
    param_name = "ApiKey"

    def authenticate(self, request: HttpRequest, key: str | None) -> ApiKey | None:
        return _known(request, key) if key else None


def _known(request: HttpRequest, secret: str) -> ApiKey | None:
    key = check_api_key(secret)
    if key is not None:
        request.user = key.user
    return key


def enter(request: Any, slug: str, can: access.Can) -> Organization:
    """The organization, if the key is of it and its user's role allows `can`; else 404 or 403."""
    key: ApiKey = request.auth
    if key.organization.slug != slug:
        raise Http404("No such organization.")
    return access.enter(request, slug, can)


def caller(request: Any) -> User:
    """Whose key it is."""
    user: User = request.user
    return user
