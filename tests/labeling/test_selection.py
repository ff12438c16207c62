"""Who gets which task: order, leases, and no live task in two hands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Membership, Organization, Role, User
from apps.common.http import Conflict
from apps.labeling.models import Annotation, Task, TaskState
from apps.labeling.selection import renew, take_next
from apps.labeling.transitions import submit
from tests.labeling.factory import make_plant, take_one

Result = TypeVar("Result")


def at_once(*jobs: Callable[[], Result]) -> list[Result]:
    """The results of the jobs, begun at the same moment, each in a thread with a connection of its own."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], Result]) -> Result:
        try:
            barrier.wait(30)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


def crowd(organization: Organization, size: int) -> list[User]:
    users = [User.objects.create(email=f"hand-{n}@example.com") for n in range(size)]
    Membership.objects.bulk_create(Membership(organization=organization, user=u, role=Role.LABELER) for u in users)
    return users


def test_five_tasks_at_a_time_in_the_order_of_the_stage(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 7)
    stage = plant.stage("LABEL")
    first = take_next(stage=stage, user=labeler)
    assert [task.pk for task in first] == [task.pk for task in plant.tasks("LABEL")][:5]
    assert {task.state for task in first} == {TaskState.ASSIGNED}


def test_asking_again_gives_the_same_tasks(organization: Organization, labeler: User) -> None:
    stage = make_plant(organization, 9).stage("LABEL")
    assert [t.pk for t in take_next(stage=stage, user=labeler)] == [t.pk for t in take_next(stage=stage, user=labeler)]


def test_a_live_lease_is_given_to_nobody_else(organization: Organization, labeler: User, admin: User) -> None:
    stage = make_plant(organization, 7).stage("LABEL")
    mine = {task.pk for task in take_next(stage=stage, user=labeler)}
    theirs = {task.pk for task in take_next(stage=stage, user=admin)}
    assert (len(mine), len(theirs), mine & theirs) == (5, 2, set())


def test_a_lease_lasts_as_long_as_the_settings_say_or_the_stage(organization: Organization, labeler: User) -> None:
    stage = make_plant(organization, 2).stage("LABEL")
    at = timezone.now()
    [task] = take_next(stage=stage, user=labeler, count=1, at=at)
    assert task.leased_until == at + timedelta(seconds=settings.LEASE_SECONDS)
    stage.config["lease_minutes"] = 7
    [task] = take_next(stage=stage, user=labeler, count=1, at=at)
    assert task.leased_until == at + timedelta(minutes=7)


def test_an_open_page_keeps_its_tasks(organization: Organization, labeler: User, admin: User) -> None:
    stage = make_plant(organization, 5).stage("LABEL")
    tasks = take_next(stage=stage, user=labeler, at=timezone.now() - timedelta(seconds=settings.LEASE_SECONDS - 5))
    revisions = [task.revision for task in tasks]
    until = renew(stage=stage, user=labeler, task_ids=[task.uid for task in tasks])
    assert until > timezone.now() + timedelta(seconds=settings.LEASE_SECONDS - 60)
    later = timezone.now() + timedelta(seconds=60)
    assert take_next(stage=stage, user=admin, at=later) == []
    assert list(Task.objects.order_by("pk").values_list("revision", flat=True)) == revisions


def test_renewing_does_not_take_a_task_back(organization: Organization, labeler: User, admin: User) -> None:
    stage = make_plant(organization, 1).stage("LABEL")
    task = take_one(stage, labeler)
    take_next(stage=stage, user=admin, at=timezone.now() + timedelta(days=1))
    renew(stage=stage, user=labeler, task_ids=[task.uid])
    task.refresh_from_db()
    assert task.assignee == admin


def test_nobody_labels_where_nobody_works(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    with pytest.raises(Conflict):
        take_next(stage=plant.stage("OUTPUT"), user=labeler)


@pytest.mark.django_db(transaction=True)
def test_fifty_who_ask_at_once_never_share_a_task(organization: Organization) -> None:
    stage = make_plant(organization, 60).stage("LABEL")
    users = crowd(organization, 50)
    given = at_once(*(lambda user=user: [t.pk for t in take_next(stage=stage, user=user, count=1)] for user in users))
    taken = [pk for pks in given for pk in pks]
    assert len(taken) == len(set(taken)) == 50


@pytest.mark.django_db(transaction=True)
def test_fifty_who_want_more_than_there_is_share_nothing(organization: Organization) -> None:
    stage = make_plant(organization, 30).stage("LABEL")
    users = crowd(organization, 50)
    given = at_once(*(lambda user=user: [t.pk for t in take_next(stage=stage, user=user)] for user in users))
    taken = [pk for pks in given for pk in pks]
    assert len(taken) == len(set(taken)) <= 30
    for user, pks in zip(users, given, strict=True):
        assert set(Task.objects.filter(assignee=user).values_list("pk", flat=True)) == set(pks)


@pytest.mark.django_db(transaction=True)
def test_two_windows_of_one_labeler_show_the_same_tasks(organization: Organization, labeler: User) -> None:
    stage = make_plant(organization, 40).stage("LABEL")
    given = at_once(*(lambda: [t.pk for t in take_next(stage=stage, user=labeler)] for _ in range(8)))
    assert {tuple(pks) for pks in given} == {tuple(given[0])}


@pytest.mark.django_db(transaction=True)
def test_two_labelers_finish_everything_and_nothing_twice(organization: Organization) -> None:
    stage = make_plant(organization, 60).stage("LABEL")
    users = crowd(organization, 2)

    def work(user: User) -> list[int]:
        done = []
        while tasks := take_next(stage=stage, user=user, count=3):
            for task in tasks:
                submit(task_id=task.uid, user=user, labels=[], seconds=1, revision=task.revision)
                done.append(task.pk)
        return done

    one, two = at_once(*(lambda user=user: work(user) for user in users))
    assert len(one) + len(two) == 60 == len(set(one) | set(two))
    assert Annotation.objects.count() == 60


@pytest.mark.django_db(transaction=True)
def test_two_who_submit_the_same_task_at_once_count_once(organization: Organization, labeler: User) -> None:
    task = take_one(make_plant(organization, 1).stage("LABEL"), labeler)

    def press() -> bool:
        try:
            submit(task_id=task.uid, user=labeler, labels=[], seconds=1, revision=task.revision)
        except Conflict:
            return False
        return True

    assert sorted(at_once(press, press, press)) == [False, False, True]
    assert Annotation.objects.count() == 1
