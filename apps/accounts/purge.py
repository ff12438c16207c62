"""Deleting all rows of an organization set-wise, whatever tables the apps have."""

from __future__ import annotations

from collections import deque
from typing import Any

from django.apps import apps
from django.db import connection, models

from apps.accounts.models import Organization


def rows_of(organization: Organization) -> list[models.QuerySet[Any]]:
    """Every row that hangs on the organization, a query a table, those furthest from it first.

    Each table's path to the organization leads through tables that come later in the list, so deleting in this
    order never breaks a path; references that point the other way are checked at the end of the transaction.
    """
    paths = _paths()
    furthest_first = sorted(paths, key=lambda model: -len(paths[model]))
    return [model._base_manager.filter(**{"__".join(paths[model]): organization.pk}) for model in furthest_first]


def purge(organization: Organization) -> int:
    """Delete them and the organization itself. Runs in the caller's transaction; returns how many rows went."""
    with connection.cursor() as cursor:
        # The audit trail is append-only but for the transaction that names its organization here.
        cursor.execute("SELECT set_config('winnow.purging', %s, true)", [str(organization.pk)])
    deleted = sum(rows._raw_delete(rows.db) for rows in rows_of(organization))
    return deleted + Organization.objects.filter(pk=organization.pk)._raw_delete("default")


def _paths() -> dict[type[models.Model], list[str]]:
    """The shortest chain of foreign keys from each model to Organization; optional ones only where none is required."""
    paths: dict[type[models.Model], list[str]] = {Organization: []}
    for optional in (False, True):
        queue = deque(paths)
        while queue:
            target = queue.popleft()
            for model, field in _references(target, optional):
                if model not in paths:
                    paths[model] = [field.name, *paths[target]]
                    queue.append(model)
    del paths[Organization]
    return paths


def _references(target: type[models.Model], optional: bool) -> list[tuple[type[models.Model], Any]]:
    """Models with a foreign key to `target` that dies with it."""
    return [
        (model, field)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.related_model is target
        and (optional or not field.null)
        and field.remote_field.on_delete is not models.SET_NULL
    ]
