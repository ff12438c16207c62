"""The order of the queue by each strategy."""

import numpy as np
import pytest

from apps.detector.acquire import STRATEGIES, rank


def queue(count: int, seed: int = 0) -> dict[str, object]:
    random = np.random.default_rng(seed)
    return {
        "confidence": random.random(count),
        "embeddings": random.normal(size=(count, 8)).astype(np.float32),
        "shuffle": random.random(count),
        "batch_size": 5,
    }


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("count", [0, 1, 7, 200])
def test_ranks_are_a_permutation(strategy: str, count: int) -> None:
    assert sorted(rank(strategy, **queue(count))) == list(range(count))


def test_the_least_confident_comes_first() -> None:
    rows = queue(50)
    assert (np.argsort(rank("least-confident", **rows)) == np.argsort(rows["confidence"])).all()


def test_equal_confidence_is_ordered_by_shuffle() -> None:
    rows = queue(50) | {"confidence": np.full(50, 0.5)}
    assert (np.argsort(rank("least-confident", **rows)) == np.argsort(rows["shuffle"])).all()


def test_random_ignores_confidence() -> None:
    rows = queue(50)
    assert (np.argsort(rank("random", **rows)) == np.argsort(rows["shuffle"])).all()


def test_every_prefix_of_diverse_covers_the_clusters_of_the_unsure() -> None:
    centers = np.eye(8, dtype=np.float32)[:5]
    rows = queue(200)
    rows["confidence"] = np.where(np.arange(200) < 15, 0.1, 0.9) + np.linspace(0, 0.01, 200)
    rows["embeddings"] = centers[np.arange(200) % 5] + np.random.default_rng(1).normal(size=(200, 8)) * 0.01
    order = np.argsort(rank("diverse", **rows))
    assert set(order[:5] % 5) == {0, 1, 2, 3, 4}
    assert (order[:15] < 15).all()
    assert (order[15:] == np.arange(15, 200)).all()


@pytest.mark.parametrize(("batch_size", "spread"), [(3, 9), (100, 100), (50, 60), (500, 120)])
def test_diverse_leaves_the_sure_half_of_a_short_queue_where_it_is(batch_size: int, spread: int) -> None:
    rows = queue(120) | {"batch_size": batch_size}
    rows["confidence"] = np.linspace(0.1, 0.9, 120)
    order = np.argsort(rank("diverse", **rows))
    assert sorted(order[:spread]) == list(range(spread))
    assert (order[spread:] == np.arange(spread, 120)).all()
    assert (order[1:spread] != np.arange(1, spread)).any()


def test_a_rare_class_does_not_starve() -> None:
    rows = queue(1000)
    counts = np.zeros((1000, 2), dtype=int)
    counts[:, 0] = 5
    rare = np.argsort(rows["confidence"])[-20:]
    counts[rare, 1] = 1
    plain = np.argsort(rank("least-confident", **rows))
    fair = np.argsort(rank("least-confident", **rows, class_counts=counts))
    assert not np.isin(plain[:8], rare).any()
    assert np.isin(fair[:8], rare).sum() == 2
    assert sorted(fair) == list(range(1000))


def test_a_million_rows_are_ordered() -> None:
    rows = queue(1)
    random = np.random.default_rng(0)
    confidence = random.random(1_000_000)
    rows |= {"confidence": confidence, "embeddings": np.zeros((1_000_000, 1)), "shuffle": random.random(1_000_000)}
    rows["batch_size"] = 100
    ranks = rank("least-confident", **rows)
    assert (np.diff(confidence[np.argsort(ranks)]) >= 0).all()
