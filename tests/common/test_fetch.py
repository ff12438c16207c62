"""Requests to the outside: where they may go, how far they are followed, how much they take."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from pytest_django import Settings

from apps.common.fetch import FetchError, Refused, check, fetch, is_public, resolve


class Handler(BaseHTTPRequestHandler):
    """Paths say what the server does; `seen` is what it was asked."""

    seen: list[tuple[str, dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif self.path == "/trickle":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            with contextlib.suppress(ConnectionError):  # whoever asks goes away
                for _ in range(200):
                    self.wfile.write(b"X")
                    time.sleep(0.05)
        elif self.path == "/unannounced":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000)
        elif self.path == "/odd":
            self.wfile.write("HTTP/1.0 200 OK\r\nContent-Length: \xb2\r\n\r\nabc".encode("latin-1"))
        elif self.path == "/broken":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\nabc")
        else:
            self.answer(404 if self.path == "/missing" else 200, b"x" * 1000)

    def do_POST(self) -> None:
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/png; charset=binary")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The test's own output is enough."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def private_allowed(settings: Settings) -> None:
    settings.STORAGE_ALLOW_PRIVATE = True


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",  # noqa: S104
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]"])
def test_no_spelling_of_the_machine_itself_gets_through(host: str) -> None:
    with pytest.raises(FetchError):
        fetch(f"http://{host}:9/", seconds=5)
    with pytest.raises(Refused, match="private network"):
        resolve(host.strip("[]"), 9)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.com/x", "gopher://x", "//x/y", "x", "http://", "http://u:p@example.com/",
     "http://[::1", "http://example.com:99999/"],
)  # fmt: skip
def test_what_is_not_a_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(FetchError):
        fetch(url)
    with pytest.raises(FetchError):
        check(url)


def test_a_request_reaches_no_private_server(server: str) -> None:
    with pytest.raises(Refused):
        fetch(f"{server}/x")
    with pytest.raises(Refused):
        check(server)
    assert Handler.seen == []


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver's answer cannot be had for real without the internet: this is the one thing made up here."""
    answers = [(2, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr("apps.common.fetch.socket.getaddrinfo", lambda *args, **kwargs: answers)
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        resolve("mixed.example.com", 80)


@pytest.mark.usefixtures("private_allowed")
def test_an_answer_comes_with_status_type_and_body(server: str) -> None:
    answer = fetch(f"{server}/x?y=1")
    assert (answer.status, answer.content_type, answer.body) == (200, "image/png", b"x" * 1000)
    assert Handler.seen[0][0] == "/x?y=1"
    assert Handler.seen[0][1]["host"] == server.removeprefix("http://")
    assert fetch(f"{server}/missing").status == 404


@pytest.mark.usefixtures("private_allowed")
def test_a_body_is_written_into_a_file_without_those_of_the_redirects_before_it(server: str) -> None:
    file = io.BytesIO()
    answer = fetch(f"{server}/to/{server}/final", into=file)
    assert (answer.status, answer.body, file.getvalue()) == (200, b"", b"x" * 1000)
    with pytest.raises(FetchError, match="larger than the limit"):
        fetch(f"{server}/unannounced", into=io.BytesIO(), max_bytes=999)


@pytest.mark.usefixtures("private_allowed")
def test_letters_beyond_ascii_are_escaped_and_what_is_escaped_stays(server: str) -> None:
    assert fetch(f"{server}/straße/a%20b.jpg?x=%2F&y=ü").status == 200
    assert Handler.seen[0][0] == "/stra%C3%9Fe/a%20b.jpg?x=%2F&y=%C3%BC"


@pytest.mark.usefixtures("private_allowed")
def test_a_length_that_is_no_number_is_not_believed(server: str) -> None:
    assert fetch(f"{server}/odd").body == b"abc"


@pytest.mark.usefixtures("private_allowed")
def test_a_body_is_posted(server: str) -> None:
    assert fetch(f"{server}/hook", method="POST", body=b'{"a": 1}').body == b'{"a": 1}'


@pytest.mark.usefixtures("private_allowed")
def test_a_redirect_is_followed_and_keeps_its_secrets_at_home(server: str) -> None:
    other = server.replace("127.0.0.1", "localhost")
    answer = fetch(f"{server}/to/{other}/final", headers={"Authorization": "Bearer secret"})
    assert answer.url == f"{other}/final"
    assert "authorization" in Handler.seen[0][1]
    assert "authorization" not in Handler.seen[1][1]


def test_a_redirect_takes_the_same_way_through_the_guard(
    server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first hop is let through; the guard is back when the redirect points inside."""
    asked: list[str] = []

    def once_allowed(host: str, port: int) -> str:
        asked.append(host)
        settings.STORAGE_ALLOW_PRIVATE = len(asked) == 1
        return resolve(host, port)

    monkeypatch.setattr("apps.common.fetch.resolve", once_allowed)
    with pytest.raises(Refused):
        fetch(f"{server}/to/{server}/inside")
    assert [path for path, _ in Handler.seen] == [f"/to/{server}/inside"]


@pytest.mark.usefixtures("private_allowed")
def test_a_redirect_to_another_protocol_is_not_followed(server: str) -> None:
    with pytest.raises(FetchError, match="not an http"):
        fetch(f"{server}/to/file:///etc/passwd")


@pytest.mark.usefixtures("private_allowed")
def test_a_circle_of_redirects_ends(server: str) -> None:
    with pytest.raises(FetchError, match="more than 5 times"):
        fetch(f"{server}/loop")
    assert len(Handler.seen) == 6


@pytest.mark.usefixtures("private_allowed")
@pytest.mark.parametrize("path", ["/x", "/unannounced"])
def test_an_answer_over_the_limit_is_refused(server: str, path: str) -> None:
    with pytest.raises(FetchError, match="larger than the limit of 999 bytes"):
        fetch(f"{server}{path}", max_bytes=999)


@pytest.mark.usefixtures("private_allowed")
def test_an_answer_that_breaks_off_is_no_answer(server: str) -> None:
    with pytest.raises(FetchError, match="broke off"):
        fetch(f"{server}/broken")


@pytest.mark.usefixtures("private_allowed")
def test_a_trickle_does_not_outlast_the_limit(server: str) -> None:
    with pytest.raises(FetchError, match="did not answer within"):
        fetch(f"{server}/trickle", seconds=0.4)


@pytest.mark.usefixtures("private_allowed")
def test_a_server_that_is_not_there_is_named(server: str) -> None:
    with pytest.raises(FetchError, match="nowhere.invalid cannot be resolved"):
        fetch("http://nowhere.invalid/")
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 could not be reached"):
        fetch("http://127.0.0.1:1/")
