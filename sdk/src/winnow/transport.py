"""HTTP with the key: retries where they are safe, cursor paging, downloads that go on where they broke off."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Callable

import httpx

from winnow.errors import BY_STATUS, ServerError, WinnowError

RETRIED = frozenset({429, 500, 502, 503, 504})
ATTEMPTS = 6
LONGEST_WAIT = 30.0
# So long the server keeps the key of a request that it may still be answering.
LONGEST_ANSWER = 300.0
CHUNK = 1 << 16
NO_WINNOW = "does not answer as Winnow does: is the address that of a Winnow server?"


class Transport:
    """One connection pool to one server. Safe to share between threads."""

    def __init__(
        self, url: str, api_key: str, timeout: float = 60.0, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._wait = wait
        self.http = httpx.Client(
            base_url=url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": "winnow-sdk"},
            timeout=timeout,
        )
        self._without_key = httpx.Client(timeout=timeout)

    def get(self, path: str, **params: Any) -> Any:
        return self._send("GET", path, params=_given(params))

    def post(self, path: str, body: dict[str, Any] | None = None, **more: Any) -> Any:
        """POST once, however often the connection breaks: every try carries the same idempotency key."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        json_body = None if "files" in more or (body is None and "data" not in more) else body
        return self._send("POST", path, json=json_body, headers=headers, **more)

    def post_lines(self, path: str, lines: Iterable[dict[str, Any]]) -> Any:
        """POST JSON lines to an operation in which what is sent again replaces itself."""
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return self._send("POST", path, content=content, headers={"Content-Type": "application/x-ndjson"})

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PATCH", path, json=body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """None also when an earlier try has deleted it and only its answer was lost."""
        return self._send("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, a page at a time as they are asked for."""
        after: str | None = None
        while True:
            page = self.get(path, after=after, **params)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def download(self, url: str, file: Path, *, tell: Callable[[int], Any] = lambda size: None) -> None:
        """The content of a URL appended to what `file` has of it already; goes on by itself when it breaks off.

        `tell` hears how many bytes came in. Only for content that does not change.
        """
        broken = 0
        while True:
            had = _size(file)
            try:
                return self._append(url, file, had, tell)
            except (httpx.TransportError, ServerError) as error:
                if isinstance(error, ServerError) and error.status not in RETRIED:
                    raise
                broken = 1 if _size(file) > had else broken + 1
                if broken == ATTEMPTS:
                    raise WinnowError(f"{url} broke off {ATTEMPTS} times in a row: {error}") from error
                self._wait(_pause(broken))

    def fetch(self, url: str) -> bytes:
        """The content of a URL, such as an image's."""
        for attempt in range(1, ATTEMPTS + 1):
            asked = None
            try:
                response = self._client_for(url).get(url, follow_redirects=True)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise WinnowError(f"{url} cannot be fetched: {error}") from error
            else:
                if response.status_code < 400:
                    return response.content
                if attempt == ATTEMPTS or response.status_code not in RETRIED:
                    raise error_of(response)
                asked = _asked_pause(response)
            self._wait(asked or _pause(attempt))
        raise AssertionError("unreachable")

    def _append(self, url: str, file: Path, had: int, tell: Callable[[int], Any]) -> None:
        headers = {"Range": f"bytes={had}-"} if had else {}
        with self._client_for(url).stream("GET", url, headers=headers, follow_redirects=True) as response:
            if response.status_code == 416:
                return
            if response.status_code >= 400:
                response.read()
                raise error_of(response)
            # A server that does not know ranges sends all of it again.
            with file.open("ab" if response.status_code == 206 else "wb") as stream:
                for chunk in response.iter_bytes(CHUNK):
                    stream.write(chunk)
                    tell(len(chunk))

    def _client_for(self, url: str) -> httpx.Client:
        """With the key for this server alone: a pre-signed URL of another host must not see it."""
        own = str(self.http.base_url.copy_with(path="/"))
        if not url.startswith(("http://", "https://")) or url.startswith(own):
            return self.http
        return self._without_key

    def _send(self, method: str, path: str, **more: Any) -> Any:
        attempt, waited, may_have_acted = 1, 0.0, False
        while True:
            try:
                response = self.http.request(method, path, **more)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise WinnowError(f"{self.http.base_url} cannot be reached: {error}") from error
                may_have_acted = True
                self._wait(_pause(attempt))
                attempt += 1
                continue
            pause = _asked_pause(response) or _pause(attempt)
            if _is_still_answered(response) and waited + pause <= LONGEST_ANSWER:
                waited += pause
            elif response.status_code in RETRIED and attempt < ATTEMPTS:
                may_have_acted = may_have_acted or response.status_code >= 500
                attempt += 1
            elif method == "DELETE" and may_have_acted and _is_gone(response):
                return None
            else:
                return _content(response)
            self._wait(pause)


def _content(response: httpx.Response) -> Any:
    """What a success says; another answer is raised, and one that Winnow does not give told as such."""
    if response.status_code >= 400:
        raise error_of(response)
    if response.has_redirect_location:
        there = response.headers["Location"]
        raise WinnowError(f"{response.url} sends on to {there}: use the address of the server that answers there.")
    try:
        return response.json() if response.content else None
    except ValueError as error:
        raise WinnowError(f"{response.url} {NO_WINNOW}") from error


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _is_still_answered(response: httpx.Response) -> bool:
    """409 with a pause: the first of these requests, with the same idempotency key, is still being answered."""
    return response.status_code == 409 and "Retry-After" in response.headers


def _is_gone(response: httpx.Response) -> bool:
    """In Winnow's words: a proxy whose server is being restarted answers 404 too."""
    return response.status_code == 404 and error_of(response).code == "not_found"


def _asked_pause(response: httpx.Response) -> float | None:
    try:
        return min(LONGEST_WAIT, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _pause(attempt: int) -> float:
    return float(min(LONGEST_WAIT, 0.25 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311


def error_of(response: httpx.Response) -> ServerError:
    """The server's message as an exception of this package."""
    kind = BY_STATUS.get(response.status_code, ServerError)
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and "message" in body:
        return kind(response.status_code, body.get("code", "error"), body["message"], body.get("errors") or [])
    answered = f"The server answered {response.status_code} {response.reason_phrase}."
    more = f" {response.url} {NO_WINNOW}" if response.status_code < 500 else ""
    return kind(response.status_code, "error", answered + more, [])
