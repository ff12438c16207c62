"""The pages of runs: who sees them, what they show, when they stop asking."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.models import Run, RunStatus
from tests.common.test_runs import make_run, started

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def url(run: Run, verb: str = "run") -> str:
    assert run.organization is not None
    return reverse(f"common:{verb}", args=[run.organization.slug, run.uid])


@pytest.mark.parametrize("verb", ["run", "cancel-run", "retry-run"])
def test_a_stranger_finds_no_run(organization: Organization, stranger: User, client_of: ClientOf, verb: str) -> None:
    run = make_run(organization)
    client = client_of(stranger)
    ask = client.get if verb == "run" else client.post
    assert ask(url(run, verb)).status_code == 404
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    assert client.get(reverse("common:runs", args=["acme"])).status_code == 404


@pytest.mark.parametrize("verb", ["run", "cancel-run", "retry-run"])
def test_the_run_of_another_organization_is_not_found_under_ones_own(
    organization: Organization, stranger: User, client_of: ClientOf, verb: str
) -> None:
    path = reverse(f"common:{verb}", args=["other", make_run(organization).uid])
    client = client_of(stranger)
    assert (client.get if verb == "run" else client.post)(path).status_code == 404


def test_a_labeler_may_not_see_or_touch_runs(organization: Organization, labeler: User, client_of: ClientOf) -> None:
    run = make_run(organization)
    client = client_of(labeler)
    assert client.get(url(run)).status_code == 403
    assert client.post(url(run, "cancel-run")).status_code == 403
    assert client.get(reverse("common:runs", args=["acme"])).status_code == 403


def test_the_page_shows_count_phase_and_asks_again_while_it_runs(
    organization: Organization, admin: User, client_of: ClientOf
) -> None:
    handle = started(make_run(organization))
    handle.progress(1250, 5000, "predicting")
    page = client_of(admin).get(url(handle.run)).content.decode()
    assert "1,250 of 5,000" in page and "Predicting" in page
    assert '<progress class="progress" max="5000" value="1250"' in page
    assert 'hx-trigger="every 1s"' in page
    assert "Cancel" in page and "Try again" not in page


def test_a_poll_of_an_active_run_replaces_its_progress_alone(
    organization: Organization, admin: User, client_of: ClientOf
) -> None:
    """Buttons, their focus and an open confirmation stay as they are."""
    handle = started(make_run(organization))
    answer = client_of(admin).get(url(handle.run) + "?part=progress", headers=HTMX)
    assert f'id="run-progress-{handle.run.uid}"' in answer.content.decode()
    assert "<form" not in answer.content.decode()
    assert "HX-Retarget" not in answer and "HX-Trigger" not in answer


def test_the_poll_that_finds_the_end_says_so_once_and_is_the_last(
    organization: Organization, admin: User, client_of: ClientOf
) -> None:
    handle = started(make_run(organization))
    handle.fail("The disk is full.")
    client = client_of(admin)
    answer = client.get(url(handle.run) + "?part=progress", headers=HTMX)
    assert answer["HX-Retarget"] == f"#run-{handle.run.uid}"
    expected = {"uid": str(handle.run.uid), "kind": "test-steps", "status": "failed"}
    assert json.loads(answer["HX-Trigger"]) == {"run:ended": expected}
    text = answer.content.decode()
    assert "The disk is full." in text and "Try again" in text and "hx-get" not in text
    assert "HX-Trigger" not in client.get(url(handle.run), headers=HTMX)


def test_a_message_from_outside_is_shown_as_text(organization: Organization, admin: User, client_of: ClientOf) -> None:
    handle = started(make_run(organization))
    handle.fail("<script>alert(1)</script>")
    assert "<script>alert(1)" not in client_of(admin).get(url(handle.run)).content.decode()


def test_canceling_answers_with_the_ended_run(organization: Organization, owner: User, client_of: ClientOf) -> None:
    run = make_run(organization)
    answer = client_of(owner).post(url(run, "cancel-run"), headers=HTMX)
    assert json.loads(answer["HX-Trigger"])["run:ended"]["status"] == "canceled"
    assert "Canceled by Owner." in answer.content.decode()


def test_without_scripts_canceling_and_retrying_lead_back_to_the_page(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    run = make_run(organization)
    client = client_of(owner)
    assert client.post(url(run, "cancel-run"))["Location"] == url(run)
    assert client.post(url(run, "retry-run"))["Location"] == url(run)
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


def test_a_late_cancel_is_a_409_that_leaves_the_page_as_it_is(
    organization: Organization, owner: User, client_of: ClientOf
) -> None:
    handle = started(make_run(organization))
    handle.finish()
    client = client_of(owner)
    fragment = client.post(url(handle.run, "cancel-run"), headers=HTMX)
    assert (fragment.status_code, fragment["HX-Retarget"]) == (409, "#alerts")
    assert "already ended" in fragment.content.decode()
    assert client.post(url(handle.run, "cancel-run")).status_code == 409
    as_json = client.post(url(handle.run, "cancel-run"), headers={"Accept": "application/json"})
    assert as_json.json() == {
        "code": "conflict", "message": "This has already ended.", "errors": [], "state": {"status": "done"},
    }  # fmt: skip


def test_get_cancels_nothing(organization: Organization, owner: User, client_of: ClientOf) -> None:
    run = make_run(organization)
    assert client_of(owner).get(url(run, "cancel-run")).status_code == 405
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


def test_the_list_shows_this_organizations_runs_newest_first_by_pages(
    organization: Organization, stranger: User, owner: User, client_of: ClientOf
) -> None:
    made = [make_run(organization) for _ in range(51)]
    foreign = make_run(stranger.memberships.get().organization)
    client = client_of(owner)
    first = client.get(reverse("common:runs", args=["acme"]))
    assert str(made[-1].uid) in first.content.decode() and str(made[0].uid) not in first.content.decode()
    assert str(foreign.uid) not in first.content.decode()
    second = client.get(reverse("common:runs", args=["acme"]) + first.context["links"]["next"])
    assert str(made[0].uid) in second.content.decode()
    assert second.context["links"]["previous"]


def test_an_empty_list_says_what_will_be_there(organization: Organization, owner: User, client_of: ClientOf) -> None:
    assert "No background jobs yet" in client_of(owner).get(reverse("common:runs", args=["acme"])).content.decode()


def test_staff_cancels_and_retries_in_the_admin_and_hears_what_could_not_be(
    organization: Organization, client_of: ClientOf
) -> None:
    staff = User.objects.create_superuser("root@example.com", "correct horse battery")
    run, ended = make_run(organization), started(make_run(organization))
    ended.finish()
    client = client_of(staff)
    listing = reverse("admin:common_run_changelist")
    chosen = {"_selected_action": [run.pk, ended.run.pk]}
    answer = client.post(listing, {"action": "cancel_runs"} | chosen, follow=True)
    assert "already ended" in answer.content.decode() and "1 canceled" in answer.content.decode()
    client.post(listing, {"action": "retry_runs", "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    assert client.get(reverse("admin:common_run_change", args=[run.pk])).status_code == 200
    assert client.get(reverse("admin:common_run_add")).status_code == 403


def test_the_admin_is_for_staff_only(owner: User, client_of: ClientOf) -> None:
    assert client_of(owner).get(reverse("admin:common_run_changelist")).status_code == 302


def test_the_right_of_a_kind_decides_who_sees_its_runs(
    organization: Organization, labeler: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from apps.accounts.access import Can

    open_kind = replace(runs.KINDS["test-steps"], can=Can.LABEL)
    monkeypatch.setitem(runs.KINDS, "test-steps", open_kind)
    assert client_of(labeler).get(url(make_run(organization))).status_code == 200
