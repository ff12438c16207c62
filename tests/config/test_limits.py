"""A body over the limit is refused with 413, on a page and in the API, before and while it is read."""

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.test import RequestFactory

from config.limits import handler400


@pytest.fixture(autouse=True)
def _small_limits(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.UPLOAD_LIMIT_BYTES = 5000


def test_a_large_form_gets_a_clear_413_page(client, db):
    response = client.post("/accounts/login/", {"login": "x" * 6000})
    assert response.status_code == 413
    assert "larger than the limit" in response.content.decode()
    assert "kept" in response.content.decode()


def test_a_large_body_without_files_has_the_smaller_limit(client, db):
    body = "login=" + "x" * 2000
    response = client.post("/accounts/login/", body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 413


def test_an_upload_under_its_own_limit_passes(client, db):
    assert client.post("/accounts/login/", {"login": "x" * 900}).status_code != 413


def test_the_api_answers_in_its_one_shape(client, db):
    response = client.post("/api/v1/anything", "x" * 2000, content_type="application/json")
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


def test_too_many_fields_noticed_while_reading_are_413(client, db, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    body = "&".join(f"f{number}=1" for number in range(20))
    response = client.post("/accounts/login/", body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 413


def test_other_suspicious_requests_stay_400(rf: RequestFactory):
    assert handler400(rf.get("/"), SuspiciousOperation("odd")).status_code == 400
    assert handler400(rf.get("/"), RequestDataTooBig("big")).status_code == 413


def test_an_address_that_is_not_served_says_what_to_set(client, db):
    response = client.get("/accounts/login/", headers={"Host": "winnow.elsewhere.example"})
    assert response.status_code == 400
    assert "ALLOWED_HOSTS" in response.content.decode()


def test_a_body_of_unknown_length_is_refused_and_not_read_as_an_empty_one(live_server, db):
    host = urlsplit(live_server.url)
    connection = HTTPConnection(host.hostname, host.port, timeout=30)
    connection.request("POST", "/api/v1/anything", iter([b'{"a": ', b"1}"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (411, "length_required")
    connection.close()
