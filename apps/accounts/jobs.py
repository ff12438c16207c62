"""The run that deletes an organization."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Organization
from apps.accounts.purge import purge
from apps.accounts.signals import organization_deleting
from apps.common.runs import Handle


def delete_organization(handle: Handle) -> dict[str, Any]:
    """Apps give back stored objects, then every row of the organization goes in one transaction.

    Started again after an interruption it goes on with what is left.
    """
    closed = Organization.objects.filter(deleting_at__isnull=False)
    organization = closed.filter(pk=handle.run.target or 0).first()
    if organization is None:
        return {"name": handle.run.params["name"]}
    handle.progress(0, 0, "deleting stored objects")
    organization_deleting.send(sender=Organization, organization=organization, progress=handle.progress)
    handle.progress(0, 0, "deleting rows")
    with handle.guard():
        deleted = purge(organization)
    return {"name": handle.run.params["name"], "rows": deleted}
