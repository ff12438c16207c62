"""The one way out: requests to addresses that users name, kept away from the inside of the network.

The name is resolved once, every address it resolves to must be public, and the connection goes to that very address,
so that a name that changes its mind between the check and the connection gains nothing. Redirects take the same way.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urljoin, urlsplit

from django.conf import settings

PORTS = {"http": 80, "https": 443}
MOST_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
# What stays as it is in a path or query: what is escaped already, and the signs that mean something there.
SIGNS = "%/?:@!$&'()*+,;=~[]|"
CHUNK = 64 * 1024
# Carriers' NAT, and IPv6 that only wraps IPv4 (NAT64): neither is private to `ipaddress`, both can lead inside.
ALSO_PRIVATE = [ipaddress.ip_network(net) for net in ("100.64.0.0/10", "64:ff9b::/96", "64:ff9b:1::/48")]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchError(Exception):
    """The request could not be made or answered; the message is for people."""


class Refused(FetchError):
    """The address lies where requests may not go."""


class TooLong(FetchError):
    """The answer has more bytes than were asked for."""


@dataclass(frozen=True)
class Fetched:
    """An answer; header names in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    max_bytes: int = 64 * 1024 * 1024,
    seconds: float = 30.0,
    into: BinaryIO | None = None,
) -> Fetched:
    """The answer, whatever its status; FetchError when there is none within the limits, Refused when the way is barred.

    `seconds` is for everything together, redirects and a body that trickles included. The body of an answer that is no
    redirect is written `into` a file as it comes, if one is given, and `Fetched.body` is left empty.
    """
    deadline = time.monotonic() + seconds
    sent = dict(headers or {})
    for _ in range(MOST_REDIRECTS + 1):
        try:
            answer = _once(url, method, sent, body, max_bytes, deadline, into)
        except TimeoutError as error:
            raise FetchError(f"{_host(url)} did not answer within {seconds:.0f} seconds.") from error
        except ssl.SSLError as error:
            raise FetchError(f"{_host(url)} has no valid certificate: {error.reason or error}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(f"{_host(url)} could not be reached: {error}.") from error
        target = answer.headers.get("location")
        if answer.status not in REDIRECTS or not target:
            return answer
        following = urljoin(url, target)
        if _origin(following) != _origin(url):
            sent = {name: value for name, value in sent.items() if name.lower() not in {"authorization", "cookie"}}
        if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):
            method, body = "GET", None
        url = following
    raise FetchError(f"{_host(url)} redirects more than {MOST_REDIRECTS} times.")


def resolve(host: str, port: int) -> str:
    """The address to connect to; Refused if any that the name resolves to is not public and that is not allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"The name {host} cannot be resolved.") from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not settings.STORAGE_ALLOW_PRIVATE:
        for address in addresses:
            if not is_public(ipaddress.ip_address(address)):
                raise Refused(
                    f"{host} leads to {address}, an address inside a private network. Requests there are off."
                )
    return addresses[0]


def check(url: str) -> None:
    """Refuse a URL that a library will connect to by itself, such as the endpoint of an object storage."""
    host = _host(url)
    parts = urlsplit(url)
    resolve(host, parts.port or PORTS[parts.scheme])


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, also when it wraps another."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if wrapped is not None:
            return is_public(wrapped)
    if any(address in network for network in ALSO_PRIVATE if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _host(url: str) -> str:
    """The host of a URL that may be fetched."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise FetchError(f"{url[:200]!r} is not a URL.") from error
    if parts.scheme not in PORTS or not host:
        raise FetchError(f"{url[:200]!r} is not an http:// or https:// URL.")
    if parts.username or parts.password:
        raise FetchError("A URL must not carry a user name or password.")
    return host


def _origin(url: str) -> tuple[str, str, int | None]:
    host = _host(url)
    parts = urlsplit(url)
    return parts.scheme, host, parts.port or PORTS.get(parts.scheme)


def _once(
    url: str,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    max_bytes: int,
    deadline: float,
    into: BinaryIO | None,
) -> Fetched:
    host = _host(url)
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    with closing(_connect(parts.scheme, host, port, deadline)) as sock:
        link = http.client.HTTPConnection(host, port)
        link.default_port = PORTS[parts.scheme]
        link.sock = cast(socket.socket, _Timed(sock, deadline))
        path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=SIGNS)
        link.request(method, path, body=body, headers={"User-Agent": "Winnow", **headers})
        answer = link.getresponse()
        memory = io.BytesIO()
        _read(answer, max_bytes, memory if into is None or answer.status in REDIRECTS else into)
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Fetched(url, answer.status, named, memory.getvalue())


def _connect(scheme: str, host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the address that was checked, under the name that was asked for."""
    sock = socket.create_connection((resolve(host, port), port), timeout=_left(deadline))
    if scheme == "http":
        return sock
    with ExitStack() as undo:
        undo.callback(sock.close)
        wrapped = _tls().wrap_socket(sock, server_hostname=host)
        undo.pop_all()
    return wrapped


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Timed:
    """As much of a socket as http.client uses; the deadline holds for every byte, however slowly they trickle."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """The socket is closed by whoever opened it."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _read(answer: http.client.HTTPResponse, max_bytes: int, into: BinaryIO) -> None:
    announced = answer.getheader("Content-Length")
    if announced and announced.isdecimal() and int(announced) > max_bytes:
        raise TooLong(f"The answer is larger than the limit of {max_bytes:,} bytes.")
    count = 0
    while chunk := answer.read1(CHUNK):
        count += len(chunk)
        if count > max_bytes:
            raise TooLong(f"The answer is larger than the limit of {max_bytes:,} bytes.")
        into.write(chunk)
    if announced and announced.isdecimal() and count < int(announced) and answer.length:
        raise FetchError("The answer broke off before its end.")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
