"""Promises of the documentation: whatever is sent to an operation is answered as documented, never with a 5xx.

Schemathesis makes the requests from the OpenAPI document, against a live server with a project in the middle of its
work. Identifiers are mostly those of objects that are there, so that operations act instead of not finding anything.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts import services
from apps.accounts.models import Organization, User
from apps.api.urls import api
from apps.autolabel.services import trigger_cycle
from apps.projects.services import configure_stage
from tests.access import World
from tests.autolabel.loop import Loop, make_loop

pytestmark = pytest.mark.django_db(transaction=True)

LINES = st.lists(
    st.fixed_dictionaries(
        {"taskId": st.uuids().map(str) | st.text()},
        optional={"score": st.floats(), "labels": st.lists(st.dictionaries(st.text(), st.integers()), max_size=3)},
    )
)
schemathesis.openapi.media_type(
    "application/x-ndjson", LINES.map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(), default=str))
TAGS = sorted({tag for path in DOCUMENT["paths"].values() for each in path.values() for tag in each["tags"]})
# Requests an operation: one round in every test run; in the soak as many rounds as fit into its seconds.
ROUND, ROUNDS_IN_SOAK, SECONDS_IN_SOAK = 20, 20, 20
LAST = {"delete": 2, "cancel": 1}


def operations(tag: str) -> list[Any]:
    """Of a part of the API; those that end things come last."""
    found = [each.ok() for each in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
    mine = [each for each in found if tag in each.definition.raw["tags"]]
    return sorted(mine, key=lambda each: LAST.get(each.method, 0) or ("cancel" in each.path))


@pytest.fixture
def loop(organization: Organization, owner: User) -> Loop:
    """Images that are queued, labeled, held out; a cycle open for an external learner."""
    made = make_loop(organization, owner, images=24)
    configure_stage(stage=made.stage(), config={"learner": "external"})
    made.send(18)
    made.label(16)
    trigger_cycle(made.stage(), by=owner)
    return made


@pytest.fixture
def known(loop: Loop, organization: Organization, owner: User) -> dict[str, list[Any]]:
    """Values of the paths' parameters that name something."""
    world = World(organization, owner)
    task = loop.project.tasks.filter(stage__name="LABEL").first()
    assert task is not None
    return {
        "slug": [organization.slug],
        "project_id": [str(loop.project.uid), str(world.desk.project.uid)],
        "stage": ["ACTIVE_LEARNING", "LABEL"],
        "task_id": [str(task.uid), str(world.desk.task("a.jpg").uid)],
        "dataset_id": [loop.dataset.pk, world.dataset.pk],
        "labelset_id": [loop.labelset.pk, world.labelset.pk],
        "taxonomy_id": [loop.labelset.taxonomy_id],
        "storage_id": [world.datapoint.storage_id, world.bucket.pk],
        "import_id": [world.upload.pk],
        "member_id": [world.member.pk],
        "invitation_id": [world.invitation.pk],
        "comment_id": [world.comment.pk],
        "number": [1],
        "uid": [str(world.run.uid), str(world.export.uid), str(world.datapoint.uid)],
    }


@dataclass
class Server:
    """Where requests go, with whose key, and what is there to be named."""

    url: str
    secret: str
    known: dict[str, list[Any]]


def answers_as_documented(server: Server, operation: Any, number: int) -> None:
    """A round of requests to an operation, each answered in a way that the document names."""
    session = requests.Session()

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), draw=st.data())
    def ask(case: Any, draw: Any) -> None:
        for name in case.path_parameters or {}:
            if name in server.known and draw.draw(st.integers(0, 9)) < 9:
                case.path_parameters[name] = draw.draw(st.sampled_from(server.known[name]))
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {server.secret}"}
        case.call_and_validate(base_url=server.url, session=session, checks=CHECKS, timeout=60, allow_redirects=False)

    ask()


@pytest.fixture
def secret(organization: Organization, owner: User, settings: Any) -> str:
    settings.API_REQUESTS_PER_MINUTE = 10**9
    return services.create_api_key(organization=organization, user=owner, name="schema")[1]


@pytest.fixture
def server(live_server: Any, secret: str, known: dict[str, list[Any]]) -> Server:
    return Server(live_server.url, secret, known)


@pytest.mark.parametrize("tag", TAGS)
def test_every_operation_answers_as_documented(tag: str, server: Server) -> None:
    for operation in operations(tag):
        answers_as_documented(server, operation, 1)


@pytest.mark.soak
@pytest.mark.parametrize("tag", TAGS)
def test_every_operation_answers_many_requests_as_documented(
    tag: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for operation in operations(tag):
        until, rounds = time.monotonic() + SECONDS_IN_SOAK, 0
        while rounds < ROUNDS_IN_SOAK and time.monotonic() < until:
            rounds += 1
            answers_as_documented(server, operation, rounds)
        with capsys.disabled():
            sys.stdout.write(f"\n{rounds * ROUND:>4} requests  {operation.method.upper():<6} {operation.path}")
