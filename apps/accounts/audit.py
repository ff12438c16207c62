"""The audit trail of an organization: who did what to what. Written by every app, changed by none."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import AuditEvent, Organization, User


def record(organization: Organization | int, actor: User | None, verb: str, target: str, **detail: Any) -> AuditEvent:
    """Append one event, in the transaction of the change it tells of. `verb` is past tense: "invited"."""
    key = organization if isinstance(organization, int) else organization.pk
    return AuditEvent.objects.create(organization_id=key, actor=actor, verb=verb, target=target[:200], detail=detail)
