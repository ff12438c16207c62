"""HTTP with the key, retries where they are safe, cursor paging and downloads that resume."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from typing import Any, Callable

import httpx

from winnow.errors import BY_STATUS, ServerError, WinnowError

RETRIED = frozenset({429, 500, 502, 503, 504})
ATTEMPTS = 5
LONGEST_WAIT = 30.0


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

    def get(self, path: str, **params: Any) -> Any:
        return self._send("GET", path, params={key: value for key, value in params.items() if value is not None})

    def post(self, path: str, body: dict[str, Any] | None = None, **more: Any) -> Any:
        """POST once, however often the connection breaks: every try carries the same idempotency key."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._send("POST", path, json=body if "files" not in more else None, headers=headers, **more)

    def delete(self, path: str) -> Any:
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

    def stream(self, path: str, params: dict[str, Any]) -> Iterator[bytes]:
        """The body in chunks. A broken connection raises: what a stream is resumed by is its caller's to know."""
        with self.http.stream("GET", path, params=params) as response:
            if response.status_code >= 400:
                response.read()
                raise error_of(response)
            yield from response.iter_bytes()

    def _send(self, method: str, path: str, **more: Any) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            pause = min(LONGEST_WAIT, 0.5 * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311
            try:
                response = self.http.request(method, path, **more)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise WinnowError(f"{self.http.base_url} cannot be reached: {error}") from error
                self._wait(pause)
                continue
            if response.status_code in RETRIED and attempt < ATTEMPTS:
                self._wait(float(response.headers.get("Retry-After") or pause))
                continue
            if response.status_code >= 400:
                raise error_of(response)
            return response.json() if response.content else None
        raise AssertionError("unreachable")


def error_of(response: httpx.Response) -> ServerError:
    """The server's message as an exception of this package."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    message = body.get("message") or f"The server answered {response.status_code} {response.reason_phrase}."
    kind = BY_STATUS.get(response.status_code, ServerError)
    return kind(response.status_code, body.get("code", "error"), message, body.get("errors") or [])
