"""Promises of authentication, the error shape and idempotency."""

import json

import pytest
from django.test import Client

from apps.accounts import services
from apps.accounts.models import Organization
from apps.common.models import Run

pytestmark = pytest.mark.django_db


def test_no_key_and_a_wrong_key_get_401_in_the_one_shape(client, organization):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"ApiKey": "wrong"}):
        answer = client.get(f"/api/v1/organizations/{organization.slug}/datasets", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"


def test_both_headers_take_the_key(owner, organization):
    _, secret = services.create_api_key(organization=organization, user=owner, name="test")
    for headers in ({"Authorization": f"Bearer {secret}"}, {"ApiKey": secret}):
        answer = Client().get("/api/v1/organizations", headers=headers)
        assert [row["slug"] for row in answer.json()["items"]] == [organization.slug]


def test_a_revoked_key_is_refused(caller, owner, organization):
    services.revoke_api_key(key=organization.api_keys.get(), actor=owner)
    assert caller.get("/datasets").status_code == 401


def test_a_key_opens_its_own_organization_only(caller, owner):
    other = Organization.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="ADMIN")
    caller.root = "/api/v1/organizations/other"
    assert caller.get("/datasets").status_code == 404


def test_a_labeler_is_told_that_the_role_does_not_allow_it(caller_of, labeler):
    answer = caller_of(labeler).get("/datasets")
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


def test_what_is_wrong_with_a_body_is_named(caller):
    answer = caller.post("/datasets", {"description": 5})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"name", "description"}


def test_a_cursor_of_ones_own_making_is_refused(caller):
    assert caller.get("/datasets", after="x").status_code == 422


def test_a_post_with_an_idempotency_key_acts_once_and_answers_twice(caller, organization):
    first = caller.post("/datasets", {"name": "cells"}, Idempotency_Key="k1")
    second = caller.post("/datasets", {"name": "cells"}, Idempotency_Key="k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert organization.datasets.count() == 1


def test_an_idempotency_key_is_for_one_request(caller):
    caller.post("/datasets", {"name": "cells"}, Idempotency_Key="k1")
    assert caller.post("/datasets", {"name": "other"}, Idempotency_Key="k1").status_code == 409


def test_a_list_is_read_to_its_end_page_by_page(caller):
    for number in range(5):
        caller.post("/datasets", {"name": f"set {number}"})
    names, after = [], None
    while True:
        page = caller.get("/datasets", limit=2, **({"after": after} if after else {})).json()
        names += [row["name"] for row in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert names == [f"set {number}" for number in range(5)]


@pytest.mark.django_db(transaction=True)
def test_an_export_streams_what_the_labelset_holds(caller, organization):
    caller.post("/taxonomies", {"name": "cells", "categories": ["RBC", "WBC"]})
    labelset = caller.post("/labelsets", {"name": "final", "taxonomy": "cells"}).json()
    answer = caller.get(f"/labelsets/{labelset['id']}/export", format="coco")
    assert answer.status_code == 200
    assert [row["name"] for row in json.loads(answer.getvalue())["categories"]] == ["RBC", "WBC"]
    assert caller.get(f"/labelsets/{labelset['id']}/export", format="docx").status_code == 422
    assert [event.target for event in organization.audit_events.filter(verb="exported labelset")] == ["final"]


def test_a_run_is_seen_by_the_right_of_its_kind(caller, caller_of, labeler, organization):
    run = Run.objects.create(organization=organization, kind="no longer known")
    assert caller.get(f"/runs/{run.uid}").json()["status"] == "queued"
    assert caller_of(labeler).get(f"/runs/{run.uid}").status_code == 403
    assert caller.post(f"/runs/{run.uid}/cancel").json()["status"] == "canceled"
