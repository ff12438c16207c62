"""What active learning gives back when an organization, a project or a cycle goes: the files of its models."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from apps.accounts.models import Organization
from apps.autolabel import files
from apps.autolabel.models import Cycle


def discard_models(*, organization: Organization, **_: Any) -> None:
    cycles = Cycle.objects.filter(stage__project__organization=organization)
    for model, checkpoint in cycles.values_list("model_path", "checkpoint_path").iterator():
        files.drop(model)
        files.drop(checkpoint)


def forget_files(*, instance: Cycle, **_: Any) -> None:
    """A cycle's row is gone, with its project for instance."""
    for name in (instance.model_path, instance.checkpoint_path):
        transaction.on_commit(partial(files.drop, name), robust=True)
