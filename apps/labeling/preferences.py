"""What a member set for the labeling page; changed a part at a time, so that two windows undo nothing of each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.common.http import Conflict

BY_NAME = ("sliders", "classSliders", "keys")  # sliders by project, keys by action
LIMIT = 200_000


def remember(*, user: User, changes: Mapping[str, Any]) -> None:
    """Sets what is named, and leaves the rest; a name of BY_NAME with null is forgotten."""
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        kept = locked.preferences.get("workspace", {})
        parts = {name: _merged(kept.get(name, {}), changes[name]) for name in BY_NAME if name in changes}
        after = {**kept, **changes, **parts}
        if len(json.dumps(after)) > LIMIT:
            raise Conflict("These are more settings than are kept.")
        locked.preferences["workspace"] = after
        locked.save(update_fields=["preferences"])


def _merged(kept: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}
