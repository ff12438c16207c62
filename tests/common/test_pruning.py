"""Promises of pruning: ended runs go when they are old, unless something still needs them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from apps.accounts.models import Organization, User
from apps.common.models import Run, RunStatus, Shard
from apps.common.pruning import prune_old
from apps.warehouse import services as warehouse
from apps.warehouse.models import Import
from tests.labeling.factory import make_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_turn_yet() -> None:
    cache.clear()


def ended(kind: str, *, days: int = settings.RUNS_KEPT_DAYS + 1, target: int = 1, **more: object) -> Run:
    at = timezone.now() - timedelta(days=days)
    return Run.objects.create(kind=kind, target=target, status=RunStatus.DONE, ended_at=at, **more)


def test_old_runs_go_with_their_shards_and_the_newest_of_a_kind_and_target_stays() -> None:
    gone, young, other = ended("score"), ended("score", days=1), ended("score", target=2)
    Shard.objects.create(run=gone, number=1)
    last, running = ended("score"), Run.objects.create(kind="score", target=3)
    Shard.objects.create(run=last, number=1)
    kept = Shard.objects.create(run=running, number=1)
    prune_old()
    assert list(Run.objects.order_by("pk")) == [young, other, last, running]
    assert list(Shard.objects.all()) == [kept]


def test_what_a_row_points_to_and_an_export_that_has_its_file_stay(organization: Organization, owner: User) -> None:
    upload = warehouse.begin_upload(dataset=make_dataset(organization, 1), by=owner)
    Run.objects.all().delete()
    pointed_to = ended("import")
    Import.objects.filter(pk=upload.pk).update(run=pointed_to)
    with_file = ended("export", result={"path": "a.zip"})
    ended("export", result={"path": "b.zip", "forgotten": True})
    newest = [ended("import"), ended("export")]
    prune_old()
    assert list(Run.objects.order_by("pk")) == [pointed_to, with_file, *newest]


def test_a_turn_takes_so_many_and_the_next_comes_at_once_only_while_there_are_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("apps.common.pruning.AT_ONCE", 2)
    runs = [ended("score") for _ in range(4)]
    for left in (2, 1, 1):
        prune_old()
        assert Run.objects.count() == left
    ended("score")
    prune_old()
    assert runs[-1] in Run.objects.all(), "The hour is not over."
