"""The loop under test: forty pictures, an owner who also labels."""

from __future__ import annotations

import pytest

from apps.accounts.models import Organization, User
from tests.autolabel.loop import Loop, make_loop


@pytest.fixture
def loop(organization: Organization, owner: User) -> Loop:
    return make_loop(organization, owner, images=40)
