"""Encrypted columns: unreadable in the database, readable with any of the keys."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Model
from pytest_django import Settings

from apps.common.crypto import Undecipherable, decrypt, encrypt
from tests.work.models import Safe


def stored(row: Model) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM work_safe WHERE id = %s", [row.pk])
        value = cursor.fetchone()[0]
    assert isinstance(value, str)
    return value


@pytest.mark.django_db
def test_the_database_holds_no_plain_text() -> None:
    row = Safe.objects.create(secret="käse and keys")
    assert "käse" not in stored(row)
    assert Safe.objects.get(pk=row.pk).secret == "käse and keys"


@pytest.mark.django_db
def test_empty_stays_empty() -> None:
    row = Safe.objects.create(secret="")
    assert stored(row) == "" and Safe.objects.get(pk=row.pk).secret == ""


@pytest.mark.django_db
def test_a_new_key_in_front_reads_the_old_and_writes_the_new(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = old
    row = Safe.objects.create(secret="storage key")
    settings.FIELD_ENCRYPTION_KEY = f"{new}, {old}"
    row = Safe.objects.get(pk=row.pk)
    assert row.secret == "storage key"
    row.save()
    settings.FIELD_ENCRYPTION_KEY = new
    assert Safe.objects.get(pk=row.pk).secret == "storage key"


def test_a_lost_key_is_said_so(settings: Settings) -> None:
    token = encrypt("storage key")
    settings.FIELD_ENCRYPTION_KEY = Fernet.generate_key().decode()
    with pytest.raises(Undecipherable, match="FIELD_ENCRYPTION_KEY"):
        decrypt(token)


@pytest.mark.parametrize("keys", ["", "too-short", " , "])
def test_a_key_that_is_none_is_said_so(settings: Settings, keys: str) -> None:
    settings.FIELD_ENCRYPTION_KEY = keys
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY"):
        encrypt("x")


@pytest.mark.django_db
def test_an_encrypted_column_cannot_be_searched() -> None:
    with pytest.raises(TypeError, match="encrypted"):
        Safe.objects.filter(secret="storage key").exists()
