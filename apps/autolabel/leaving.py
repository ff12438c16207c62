"""What active learning gives back when an organization goes: the files of its models."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Organization
from apps.autolabel import files
from apps.autolabel.models import Cycle


def discard_models(*, organization: Organization, **_: Any) -> None:
    cycles = Cycle.objects.filter(stage__project__organization=organization)
    for model, checkpoint in cycles.values_list("model_path", "checkpoint_path").iterator():
        files.drop(model)
        files.drop(checkpoint)
