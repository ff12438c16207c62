"""Two pictures, learned by heart once for all tests that need a trained detector."""

from pathlib import Path

import pytest

from apps.detector.train import train
from apps.detector.types import Sample, Trained
from tests.detector.pictures import sample

CLASSES = (3, 8)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("pair")
    return [
        sample(11, folder / "a.png", [(3, (0.1, 0.1, 0.3, 0.4)), (8, (0.55, 0.4, 0.3, 0.45))]),
        sample(
            12, folder / "b.png", [(8, (0.05, 0.5, 0.25, 0.4)), (3, (0.5, 0.1, 0.35, 0.35)), (3, (0.6, 0.6, 0.2, 0.3))]
        ),
    ]


@pytest.fixture(scope="session")
def trained(pair: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(pair, class_ids=CLASSES, out=tmp_path_factory.mktemp("trained"), preset="tiny")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
