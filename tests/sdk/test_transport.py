"""Promises of the transport against a server that answers as it is told: what is repeated, and what is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import winnow
from winnow.transport import ATTEMPTS, LONGEST_ANSWER, Transport

Answer = tuple[int, dict[str, str], bytes]


class Scripted(ThreadingHTTPServer):
    """Gives the answers of a list in turn, the last one again and again; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, dict(self.headers)))
        status, headers, body = self.server.next()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """The test keeps what was asked."""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def transport(scripted: Scripted, waits: list[float]) -> Transport:
    return Transport(scripted.url, "key", wait=waits.append)


OK: Answer = (200, {}, b"{}")
GONE: Answer = (404, {}, b'{"code": "not_found", "message": "There is no such object.", "errors": []}')
BUSY: Answer = (409, {"Retry-After": "1"}, b'{"code": "conflict", "message": "Still being answered.", "errors": []}')


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(
    transport: Transport, scripted: Scripted, waits: list[float], status: int
) -> None:
    scripted.answers = [(status, {}, b""), (status, {}, b""), OK]
    assert transport.get("x") == {}
    assert len(scripted.asked) == 3
    assert 0 < waits[0] < waits[1] * 2, "it backs off"


def test_a_pause_that_the_server_asks_for_is_kept(transport: Transport, scripted: Scripted, waits: list[float]) -> None:
    scripted.answers = [(429, {"Retry-After": "7"}, b""), OK]
    transport.get("x")
    assert waits == [7.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_what_was_refused_is_not_asked_again(transport: Transport, scripted: Scripted, status: int) -> None:
    scripted.answers = [(status, {}, b'{"code": "c", "message": "In our words.", "errors": []}')]
    with pytest.raises(winnow.ServerError, match=r"In our words\."):
        transport.post("x", {})
    assert len(scripted.asked) == 1


def test_it_gives_up_in_the_end_with_what_the_server_said(transport: Transport, scripted: Scripted) -> None:
    scripted.answers = [(503, {}, b'{"message": "Not now."}')]
    with pytest.raises(winnow.ServerError, match=r"Not now\."):
        transport.get("x")
    assert len(scripted.asked) == ATTEMPTS


@pytest.mark.parametrize("answer", [(200, {}, b"<html>"), (302, {"Location": "https://winnow.example/"}, b"moved")])
def test_a_server_that_is_none_of_winnows_is_told_as_such(
    transport: Transport, scripted: Scripted, answer: Answer
) -> None:
    scripted.answers = [answer]
    with pytest.raises(winnow.WinnowError, match="address"):
        transport.get("x")
    scripted.answers = [(404, {}, b"[]")]
    with pytest.raises(winnow.NotFound, match="is the address that of a Winnow server"):
        transport.get("x")


def test_a_download_waits_for_a_server_that_has_no_time(
    transport: Transport, scripted: Scripted, waits: list[float], tmp_path: Path
) -> None:
    scripted.answers = [(503, {}, b""), (429, {}, b""), (200, {}, b"all of it")]
    transport.download("file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"all of it"
    assert len(waits) == 2
    scripted.answers = [(409, {}, b'{"message": "There is no file."}')]
    with pytest.raises(winnow.Conflict, match="There is no file"):
        transport.download("file", tmp_path / "other")


def test_every_try_of_a_post_carries_the_same_key(transport: Transport, scripted: Scripted) -> None:
    scripted.answers = [(503, {}, b""), (409, {"Retry-After": "0"}, b""), OK, OK]
    transport.post("x", {})
    transport.post("x", {})
    first, again, last, other = [headers["Idempotency-Key"] for _, headers in scripted.asked]
    assert first == again == last != other


def test_a_post_that_is_still_being_answered_is_waited_for(
    transport: Transport, scripted: Scripted, waits: list[float]
) -> None:
    scripted.answers = [(503, {}, b""), *[BUSY] * 20, *[(503, {}, b"")] * (ATTEMPTS - 2), OK]
    assert transport.post("x", {}) == {}
    assert waits[1:21] == [1.0] * 20
    assert len({headers["Idempotency-Key"] for _, headers in scripted.asked}) == 1


def test_a_post_that_is_never_answered_is_given_up_after_five_minutes(
    transport: Transport, scripted: Scripted, waits: list[float]
) -> None:
    scripted.answers = [BUSY]
    with pytest.raises(winnow.Conflict, match="Still being answered"):
        transport.post("x", {})
    assert sum(waits) == LONGEST_ANSWER == 300


@pytest.mark.parametrize("first", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.Response(502)])
def test_a_delete_whose_answer_was_lost_has_done_its_work(
    transport: Transport, first: httpx.Response | Exception
) -> None:
    answers = [first, httpx.Response(404, content=GONE[2])]

    def answer(request: httpx.Request) -> httpx.Response:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    transport.http = httpx.Client(base_url="http://winnow.example/api/v1/", transport=httpx.MockTransport(answer))
    assert transport.delete("x") is None
    assert answers == []


@pytest.mark.parametrize(
    ("method", "answers"),
    [
        ("DELETE", [GONE]),
        ("DELETE", [(429, {}, b""), GONE]),
        ("DELETE", [(502, {}, b""), (404, {}, b"404 page not found")]),
        ("GET", [(502, {}, b""), GONE]),
    ],
    ids=["at once", "never begun", "of a proxy", "no delete"],
)
def test_what_was_not_deleted_by_an_earlier_try_is_not_found(
    transport: Transport, scripted: Scripted, method: str, answers: list[Answer]
) -> None:
    scripted.answers = answers
    with pytest.raises(winnow.NotFound):
        transport._send(method, "x")


def test_a_project_whose_removal_was_over_before_it_was_told_is_removed(
    transport: Transport, scripted: Scripted
) -> None:
    project = winnow.Project(transport, "organizations/acme", {"id": "1", "name": "Count"})
    scripted.answers = [(502, {}, b""), GONE]
    assert project.delete().wait(progress=False).status == "done"


def test_the_key_does_not_travel_to_other_servers(transport: Transport, scripted: Scripted) -> None:
    elsewhere = Scripted()
    thread = threading.Thread(target=elsewhere.serve_forever, daemon=True)
    thread.start()
    elsewhere.answers = [(200, {}, b"image")]
    scripted.answers = [(302, {"Location": f"{elsewhere.url}/signed"}, b"")]
    assert transport.fetch(f"{scripted.url}/image") == b"image"
    assert transport.fetch(f"{elsewhere.url}/signed") == b"image"
    elsewhere.shutdown()
    elsewhere.server_close()
    thread.join()
    assert "Authorization" in scripted.asked[0][1]
    assert all("Authorization" not in headers for _, headers in elsewhere.asked)
