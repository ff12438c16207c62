"""What can go wrong, with the server's own words."""

from __future__ import annotations

from typing import Any


class WinnowError(Exception):
    """Base of every error of this package."""


class ServerError(WinnowError):
    """An answer that is not a success; `errors` names the items, with their positions, where there are any."""

    def __init__(self, status: int, code: str, message: str, errors: list[dict[str, Any]]) -> None:
        details = "".join(f"\n  {_where(each)}{each.get('message', '')}" for each in errors[:20])
        super().__init__(f"{message}{details}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors


class Unauthorized(ServerError):
    """The API key is missing, wrong or revoked."""


class Forbidden(ServerError):
    """The key's role does not allow this."""


class NotFound(ServerError):
    """There is no such object in this organization."""


class Conflict(ServerError):
    """Not possible in the present state; nothing has changed."""


class Invalid(ServerError):
    """The request was refused; nothing was saved."""


class RunFailed(WinnowError):
    """A long job ended without success."""


BY_STATUS: dict[int, type[ServerError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
}


def _where(error: dict[str, Any]) -> str:
    if error.get("position") is not None:
        return f"item {error['position']}: "
    return f"{error['field']}: " if error.get("field") else ""
