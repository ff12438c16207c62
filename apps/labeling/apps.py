"""The labeling app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete


class LabelingConfig(AppConfig):
    name = "apps.labeling"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts.access import Can
        from apps.accounts.models import Membership
        from apps.common import runs
        from apps.labeling.feeding import datapoints_added
        from apps.projects import services
        from apps.warehouse import signals

        can = Can.MANAGE_PROJECTS
        runs.register(
            kind=services.CREATE,
            job="apps.labeling.jobs.create",
            label="Create project",
            on_end="apps.labeling.jobs.creation_ended",
            on_retry="apps.labeling.jobs.creation_retried",
            queue="default",
            can=can,
        )
        runs.register(
            kind=services.FEED, job="apps.labeling.jobs.add", label="Add new images", queue="default", can=can
        )
        runs.register(
            kind=services.DELETE, job="apps.labeling.jobs.delete", label="Delete project", queue="default", can=can
        )
        signals.datapoints_added.connect(datapoints_added, dispatch_uid="labeling")
        post_delete.connect(membership_deleted, sender=Membership, dispatch_uid="labeling")


def membership_deleted(*, instance: Any, **_: Any) -> None:
    """Nothing stays with somebody who is no longer a member."""
    from apps.labeling.transitions import release_member

    release_member(organization_id=instance.organization_id, user_id=instance.user_id)
