"""Deleting an organization takes all it held, nothing of others, and closes it at once."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.files.storage import default_storage
from django.db import connection

from apps.accounts import audit, invitations, services
from apps.accounts.models import AuditEvent, Membership, Organization, User
from apps.accounts.purge import rows_of
from apps.accounts.signals import organization_deleting
from apps.autolabel.models import Cycle
from apps.common.http import Conflict
from apps.common.jobs import execute
from apps.common.models import Run, RunStatus
from config.processes import wait_until
from tests.access import World

WORKER_SECONDS = 180


@pytest.fixture
def world(organization: Organization, owner: User, labeler: User) -> World:
    """An organization with something in most of its tables."""
    world = World(organization, owner)
    for made in (world.desk, world.upload, world.run, world.invitation, world.key):
        assert made is not None
    audit.record(organization, owner, "flushed", "stage A")
    return world


def delete(world: World) -> Run:
    run = services.delete_organization(organization=world.organization, actor=world.owner)
    execute(run.pk)
    return Run.objects.get(pk=run.pk)


def test_every_row_of_the_organization_goes_and_the_rest_stays(world: World, stranger: User) -> None:
    other = World(Organization.objects.get(slug="other"), stranger)
    assert other.desk is not None
    tables = [model for model in apps.get_models() if model._meta.managed]
    counts = {model: model._base_manager.count() for model in tables}
    held = {rows.model: rows.count() for rows in rows_of(world.organization)}
    kept = {rows.model: rows.count() for rows in rows_of(other.organization)}
    assert sum(count > 0 for count in held.values()) > 12

    run = delete(world)

    assert run.status == RunStatus.DONE, run.error
    assert {rows.model: rows.count() for rows in rows_of(other.organization)} == kept
    assert Organization.objects.get() == other.organization
    # What is gone is what it held. The run that tells of it is new and belongs to no organization.
    held[Run] -= 1
    gone = {model: counts[model] - model._base_manager.count() for model in counts}
    assert {model: n for model, n in gone.items() if n > 0} == {
        **{model: n for model, n in held.items() if n > 0},
        Organization: 1,
    }
    connection.check_constraints()
    assert User.objects.filter(pk=world.owner.pk).exists()


def test_files_go_with_it_and_those_of_others_stay(world: World, stranger: User) -> None:
    other = World(Organization.objects.get(slug="other"), stranger)
    model = "of-a-cycle/cycle-1.onnx"
    (settings.MODELS_ROOT / model).parent.mkdir(parents=True, exist_ok=True)
    (settings.MODELS_ROOT / model).write_bytes(b"weights")
    stage = world.desk.project.stages.get(name="ACTIVE_LEARNING")
    Cycle.objects.create(stage=stage, number=1, model_path=model)
    mine = [world.datapoint.path, world.datapoint.thumbnail]
    theirs = [other.datapoint.path, other.datapoint.thumbnail]
    assert all(default_storage.exists(path) for path in mine + theirs)

    assert delete(world).status == RunStatus.DONE

    assert not any(default_storage.exists(path) for path in mine)
    assert not (settings.MODELS_ROOT / model).exists()
    assert all(default_storage.exists(path) for path in theirs)


@pytest.mark.django_db(transaction=True)
def test_a_worker_process_deletes_what_the_owner_asks_for_with_its_files(
    world: World, stranger: User, client_of, start_worker: Callable[..., object]
) -> None:
    other = World(Organization.objects.get(slug="other"), stranger)
    mine = [world.datapoint.path, world.datapoint.thumbnail]
    theirs = [other.datapoint.path, other.datapoint.thumbnail]
    answer = client_of(world.owner).post("/o/acme/settings/delete/", {"confirmation": "Acme"})
    assert answer["Location"] == "/organizations/"
    start_worker("default")
    run = Run.objects.get(kind="organization-delete")

    def has_ended() -> bool:
        run.refresh_from_db()
        return not run.is_active

    assert wait_until(has_ended, WORKER_SECONDS)
    assert (run.status, run.error) == (RunStatus.DONE, "")
    assert run.holder and run.result["rows"] > 12
    assert list(Organization.objects.values_list("slug", flat=True)) == ["other"]
    assert not any(default_storage.exists(path) for path in mine)
    assert all(default_storage.exists(path) for path in theirs)


def test_the_organization_is_closed_before_its_rows_are_gone(world: World, client_of, labeler: User) -> None:
    services.delete_organization(organization=world.organization, actor=world.owner)
    for user in (world.owner, labeler):
        assert client_of(user).get("/o/acme/projects/").status_code == 404
        assert not Membership.objects.of(user).exists()
    assert client_of(world.owner).get("/")["Location"] == "/organizations/"
    assert b"Acme is being deleted" in client_of(world.owner).get("/organizations/").content


def test_it_is_deleted_once(world: World) -> None:
    services.delete_organization(organization=world.organization, actor=world.owner)
    with pytest.raises(Conflict, match="already"):
        services.delete_organization(organization=world.organization, actor=world.owner)


def test_apps_are_asked_for_stored_objects_and_a_failure_keeps_the_rows(world: World) -> None:
    def fail(organization: Organization, **_: object) -> None:
        assert organization == world.organization
        raise OSError("the bucket is away")

    organization_deleting.connect(fail)
    try:
        run = services.delete_organization(organization=world.organization, actor=world.owner)
        with pytest.raises(OSError, match="bucket"):
            execute(run.pk)
    finally:
        organization_deleting.disconnect(fail)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert Organization.objects.filter(pk=world.organization.pk).exists()
    assert AuditEvent.objects.filter(organization=world.organization).exists()


def test_a_deletion_interrupted_after_its_end_has_nothing_left_to_do(world: World) -> None:
    run = delete(world)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.QUEUED, ended_at=None)
    execute(run.pk)
    assert Run.objects.get(pk=run.pk).status == RunStatus.DONE


def test_invitations_to_a_closed_organization_no_longer_work(
    world: World, client, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(organization=world.organization, email="late@example.com", role="LABELER", actor=world.owner)
    link = next(part for part in mail.outbox[-1].body.split() if "/invitations/" in part)
    services.delete_organization(organization=world.organization, actor=world.owner)
    assert client.get(link.removeprefix("http://127.0.0.1:8000")).status_code == 410
