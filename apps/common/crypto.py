"""Columns that are encrypted in the database, such as the keys of an organization's storage."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


class Undecipherable(Exception):
    """A value that none of the keys at hand has encrypted."""


@lru_cache(maxsize=4)
def _fernet(keys: str) -> MultiFernet:
    names = [key.strip() for key in keys.split(",") if key.strip()]
    try:
        return MultiFernet([Fernet(key) for key in names])
    except ValueError as error:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEY must be one or more comma-separated keys of 32 url-safe base64-encoded bytes."
        ) from error


def encrypt(text: str) -> str:
    """By the first of the keys."""
    return _fernet(settings.FIELD_ENCRYPTION_KEY).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """By whichever of the keys it was encrypted with."""
    try:
        return _fernet(settings.FIELD_ENCRYPTION_KEY).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Undecipherable("FIELD_ENCRYPTION_KEY does not hold the key that this was encrypted with.") from error


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text in Python, a Fernet token in the database. To change keys put the new one first and save the rows again.

    It cannot be searched: the same text is another token every time. Empty text is stored as it is.
    """

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in {"isnull"}:
            raise TypeError(f"An encrypted column cannot be compared by {lookup_name!r}.")
        return super().get_lookup(lookup_name)
