"""Lists of the server that are read as they are walked through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from winnow.transport import Transport


class Rows:
    """A list that is fetched a page at a time, again each time it is walked through.

    It has a length where the server tells it beforehand; elsewhere `len` would fetch all of it, and `list` asks for it.
    """

    def __init__(self, transport: Transport, path: str, length: int | None = None, **params: Any) -> None:
        self._transport = transport
        self._path = path
        self._params = params
        self._length = length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._transport.pages(self._path, **self._params)

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("How many there are is not known beforehand: len(list(rows)) fetches and counts them.")
        return self._length

    def __bool__(self) -> bool:
        """Whether there is anything in it: fetches one page at most."""
        return any(True for _ in self)

    def to_pandas(self) -> Any:
        """A data frame with a row for each item; needs pandas to be installed."""
        import pandas  # type: ignore[import-untyped,unused-ignore]

        return pandas.DataFrame(list(self))

    def __repr__(self) -> str:
        return f"<winnow.Rows {self._path}>"
