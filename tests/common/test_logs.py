"""Log lines carry the request and the run they belong to."""

import json
import logging

import pytest

from apps.common import queues, runs
from apps.common.logs import JsonFormatter, request_id, run_context
from config.processes import wait_until


def line_of(**more):
    record = logging.makeLogRecord({"name": "winnow", "levelname": "INFO", "msg": "%s done", "args": ("it",), **more})
    return json.loads(JsonFormatter().format(record))


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "winnow.request")
    caplog.handler.setFormatter(JsonFormatter())
    return lambda: [json.loads(line) for line in caplog.text.splitlines() if line.startswith("{")]


def test_a_line_is_one_json_object():
    line = line_of(labels=3)
    assert (line["message"], line["level"], line["logger"], line["labels"]) == ("it done", "INFO", "winnow", 3)
    assert "request" not in line and "run" not in line


def test_a_failure_carries_its_trace_on_the_same_line():
    try:
        raise ValueError("what was wrong")
    except ValueError as error:
        text = JsonFormatter().format(logging.makeLogRecord({"exc_info": (ValueError, error, error.__traceback__)}))
    assert "\n" not in text
    assert "what was wrong" in json.loads(text)["trace"]


def test_lines_of_a_job_carry_its_run():
    with run_context(17):
        assert line_of()["run"] == "17"
    assert "run" not in line_of()


def test_a_request_is_logged_once_with_its_id_and_user(client_of, owner, lines):
    response = client_of(owner).get("/accounts/email/", headers={"X-Request-ID": "probe-1"})
    assert response["X-Request-ID"] == "probe-1"
    (line,) = lines()
    assert (line["request"], line["user"], line["status"]) == ("probe-1", owner.pk, response.status_code)
    assert (line["method"], line["path"]) == ("GET", "/accounts/email/")


def test_requests_get_different_ids_of_our_own(client):
    ids = {client.get("/healthz")["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert request_id.get() == ""


@pytest.mark.parametrize("given", ["with space", "x" * 65, 'quote"', "line\nbreak"])
def test_a_strange_id_is_replaced(client, given):
    assert client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] != given


def test_an_address_never_logs_its_query(client, db, lines):
    client.get("/accounts/login/?token=hidden")
    assert all("hidden" not in json.dumps(line) for line in lines())


@pytest.mark.parametrize(
    "path", ["/invitations/{}/", "/accounts/password/reset/key/3-{}/", "/accounts/confirm-email/{}/"]
)
def test_a_path_that_lets_somebody_in_is_logged_without_its_secret(client, db, lines, path):
    client.get(path.format("s3cret-s3cret"))
    logged = [line for line in lines() if line["logger"] == "winnow.request"]
    assert [line["path"] for line in logged] == [path.format("***")]
    assert "s3cret" not in json.dumps(logged)


def test_a_real_worker_logs_the_run_with_its_lines(worker):
    run = runs.create(organization=None, kind="test-failing", params={"expected": False})
    # Without a sweeper here, a Redis that was slow to answer has to be asked again.
    assert wait_until(lambda: queues.push([run]), 180)
    assert wait_until(lambda: '"run"' in worker.output() and '"trace"' in worker.output(), 180), worker.output()
    lines = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    of_the_job = [line for line in lines if line["logger"] == "apps.common.jobs"]
    assert of_the_job and all(line["run"] == str(run.pk) for line in of_the_job)
    assert any("ZeroDivisionError" in line.get("trace", "") for line in of_the_job)
