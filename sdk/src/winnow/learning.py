"""A detector of one's own in the place of the server's: read what is labeled, predict the rest, send it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tqdm.auto import tqdm

from winnow.errors import Conflict, WinnowError
from winnow.rows import Rows
from winnow.runs import Run
from winnow.transport import Transport

LINES_AT_ONCE = 500


class ExternalLearning:
    """The stage whose `learner` is `external`: a cycle is opened, predicted by this program, and closed."""

    def __init__(self, transport: Transport, organization: str, stage: str) -> None:
        self._transport = transport
        self._organization = organization
        self._learning = f"{stage}/learning"
        self._path = f"{self._learning}/external"

    def get_learning_info(self, *, trigger: bool = True) -> dict[str, Any]:
        """The open cycle: `cycle`, `type`, `taxonomy`, `labeled` and `unlabeled`.

        Opens one if none is open, unless `trigger` is false; raises Conflict when too little is labeled. `labeled` and
        `unlabeled` are fetched as they are walked through: ids, names, image URLs, and for `labeled` the labels.
        Among `unlabeled` are the images held out for measuring; nobody can tell which.
        """
        try:
            found = self._transport.get(self._path)
        except Conflict:
            if not trigger:
                raise
            self._transport.post(f"{self._learning}/cycles", {})
            found = self._transport.get(self._path)
        cycle = f"{self._path}/cycles/{found['cycle']}"
        return {
            **found,
            "labeled": Rows(self._transport, f"{cycle}/labeled", found["labeled"], limit=500),
            "unlabeled": Rows(
                self._transport, f"{cycle}/unlabeled", found["unlabeled"] - found["predicted"], limit=500
            ),
        }

    def update_tasks(
        self,
        cycle: int,
        tasks: Iterable[dict[str, Any]],
        *,
        close: bool = True,
        wait: bool = True,
        progress: bool = True,
    ) -> list[dict[str, Any]]:
        """Send predictions, then close the cycle; those that the server refused come back, each with its `error`.

        A prediction is `{"taskId", "labels", "score"}`: labels in the exchange form that `labeled` has, or in Winnow's,
        with a `confidence` each; `score` from 0 to 1 says how sure the model is of the image, and may be left out when
        every label has a confidence. `tasks` may be a generator: predictions travel as they are made. Broken off, it
        can be called again with what `unlabeled` then has left. When all of them were refused it raises WinnowError and
        closes nothing.
        """
        failed: list[dict[str, Any]] = []
        sent = 0
        with tqdm(unit="image", disable=not progress, desc=f"cycle {cycle}") as bar:
            for piece in _pieces(iter(tasks)):
                failed += self._send(cycle, piece)
                sent += len(piece)
                bar.update(len(piece))
        if close and failed and len(failed) == sent:
            raise WinnowError(f"Every prediction was refused, so the cycle stays open; the first: {failed[0]['error']}")
        if close:
            self.close(cycle, wait=wait, progress=progress)
        return failed

    def image(self, row: dict[str, Any]) -> bytes:
        """The image of a row of `labeled` or `unlabeled`, as it is stored."""
        return self._transport.fetch(row["itemsPresigned"][0])

    def close(self, cycle: int, *, wait: bool = True, progress: bool = True) -> Run:
        """Have the server measure, calibrate and rank the predictions and make them current."""
        run = Run(self._transport, self._organization, self._transport.post(f"{self._path}/cycles/{cycle}/close"))
        return run.wait(progress=progress) if wait else run

    def _send(self, cycle: int, piece: list[dict[str, Any]]) -> list[dict[str, Any]]:
        came = self._transport.post_lines(f"{self._path}/cycles/{cycle}/predictions", piece)
        return [{**piece[each["position"]], "error": each["message"]} for each in came["errors"]]


def _pieces(tasks: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while piece := list(islice(tasks, LINES_AT_ONCE)):
        yield piece
