"""Long jobs: wait for them with a bar."""

from __future__ import annotations

import time
from typing import Any

from tqdm.auto import tqdm

from winnow.errors import RunFailed
from winnow.transport import Transport

ENDED = frozenset({"done", "failed", "canceled"})


class Run:
    """A long job on the server: creation of a project, an import, a cycle, a flush."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._path = f"{organization}/runs/{data['uid']}"
        self.data = data

    @property
    def status(self) -> str:
        return str(self.data["status"])

    @property
    def result(self) -> dict[str, Any]:
        return dict(self.data["result"])

    def refresh(self) -> Run:
        self.data = self._transport.get(self._path)
        return self

    def cancel(self) -> Run:
        self.data = self._transport.post(f"{self._path}/cancel")
        return self

    def wait(self, *, progress: bool = True, every: float = 2.0) -> Run:
        """Return when it is done; raise RunFailed when it failed or was canceled. Asks ever less often."""
        pause = min(0.1, every)
        phase = None
        with tqdm(disable=not progress, unit="", leave=True) as bar:
            while True:
                if phase != (phase := self.data["phase"] or self.data["kind"]):
                    # Of each phase its own time and rate.
                    bar.set_description_str(str(phase), refresh=False)
                    bar.reset()
                bar.total, bar.n = self.data["total"] or None, self.data["done"]
                bar.refresh()
                if self.status in ENDED:
                    break
                time.sleep(pause)
                pause = min(every, pause * 1.5)
                self.refresh()
        if self.status != "done":
            raise RunFailed(f"{self.data['kind']} {self.status}: {self.data['error'] or 'no reason was given'}")
        return self

    def __repr__(self) -> str:
        return f"<winnow.Run {self.data['kind']} {self.status} {self.data['done']}/{self.data['total']}>"
