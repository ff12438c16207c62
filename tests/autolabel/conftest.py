"""The loop under test: forty pictures, an owner who also labels, and a model for tests that are not about training."""

from __future__ import annotations

import pytest

from apps.accounts.models import Organization, User
from apps.detector.types import Trained
from tests.autolabel.loop import Loop, boxes_of, make_loop
from tests.detector.pictures import sample


@pytest.fixture
def loop(organization: Organization, owner: User) -> Loop:
    return make_loop(organization, owner, images=40)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained once on such pictures."""
    from apps.detector.train import train

    folder = tmp_path_factory.mktemp("model")
    samples = [sample(number, folder / f"{number}.png", boxes_of(number)) for number in range(100, 130)]
    return train(samples, class_ids=[0, 1], out=folder, preset="tiny")


@pytest.fixture
def trained(loop: Loop, model: Trained) -> Loop:
    """After the first cycle: 24 labeled, of which 4 are held out, and 16 in the queue."""
    loop.send(24)
    loop.label()
    loop.cycle(model)
    return loop
