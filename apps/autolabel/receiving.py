"""Predictions of an external learner: read line by line, checked, stored in pieces that each commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Least

from apps.autolabel import external
from apps.autolabel.models import Cycle
from apps.common.http import Conflict
from apps.common.models import Run
from apps.detector.calibrate import Calibration
from apps.detector.outside import expected_score
from apps.taxonomies import labels as label_json
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT

LINES_AT_ONCE = 500
ERRORS_TOLD = 1000
LONGEST_LINE = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that was left out: which, counted from 0, and why."""

    position: int
    message: str


@dataclass(slots=True)
class Received:
    """What came of a stream: predictions kept, those that nobody asked for any more, and those that were refused."""

    accepted: int = 0
    ignored: int = 0
    failed: int = 0
    errors: list[Wrong] = field(default_factory=list)

    def refuse(self, position: int, message: str) -> None:
        self.failed += 1
        if len(self.errors) < ERRORS_TOLD:
            self.errors.append(Wrong(position, message))


@dataclass(frozen=True, slots=True)
class Given:
    """A prediction as it was sent."""

    position: int
    task: UUID
    score: float
    labels: list[dict[str, Any]]


def receive(cycle: Cycle, lines: Iterable[bytes]) -> Received:
    """Keep the predictions of a stream of JSON lines, piece by piece. Sent again, a prediction replaces itself."""
    outcome, understand = Received(), reader_of(cycle)
    numbered = enumerate(lines)
    while piece := list(islice(numbered, LINES_AT_ONCE)):
        given = list(_understood(piece, understand, outcome))
        if given:
            _keep(cycle, given, outcome)
    return outcome


def _understood(
    piece: Sequence[tuple[int, bytes]], understand: Callable[[int, Any], Given], outcome: Received
) -> Iterator[Given]:
    for position, line in piece:
        if not line.strip():
            continue
        try:
            yield understand(position, _parsed(line))
        except (ValueError, RecursionError) as error:
            outcome.refuse(position, str(error))


def _parsed(line: bytes) -> Any:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"The line is longer than {LONGEST_LINE >> 20} MB.")
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"This line is not JSON: {error}.") from error


def reader_of(cycle: Cycle) -> Callable[[int, Any], Given]:
    """What makes a prediction of a parsed line; raises ValueError saying what is wrong."""
    assert cycle.stage.taxonomy is not None  # noqa: S101
    palette = taxonomies.palette(cycle.stage.taxonomy)
    paths = {(ROOT, *each["path"]): each["id"] for each in palette}
    known = frozenset(paths.values())

    def read(position: int, raw: Any) -> Given:
        if not isinstance(raw, dict):
            raise ValueError("A prediction must be an object.")
        try:
            task = UUID(str(raw.get("taskId")))
        except ValueError as error:
            raise ValueError("taskId must be the id of a task.") from error
        score = _share(raw.get("score"))
        labels = _labels(cycle.number, raw.get("labels"), lambda path: paths.get(tuple(path)), known)
        return Given(position, task, _score(score, labels), _completed(labels, score))

    return read


def _share(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("score must be a number from 0 to 1.")
    return float(value)


def _labels(
    number: int, raw: object, class_of: Callable[[list[str]], int | None], known: frozenset[int]
) -> list[label_json.Label]:
    """In our form or in the exchange form; under ids of ours, that differ from cycle to cycle."""
    if not isinstance(raw, list):
        raise ValueError("labels must be a list; an empty one where nothing is predicted.")
    said = [
        label_json.from_exchange(each, class_of) if isinstance(each, dict) and "bbox2d" in each else each
        for each in raw
    ]
    anonymous = [{**each, "id": f"c{number}-{n}"} if isinstance(each, dict) else each for n, each in enumerate(said)]
    parsed = label_json.parse(anonymous, class_ids=known)
    for label in parsed:
        label["source"] = "model"
        label.pop("from", None)
    return parsed


def _score(given: float | None, labels: Sequence[Mapping[str, Any]]) -> float:
    """The learner's own, or what its boxes let expect."""
    if given is not None:
        return given
    if any("confidence" not in label for label in labels):
        raise ValueError("Give the image a score, or every label a confidence.")
    return expected_score([label["confidence"] for label in labels])


def _completed(labels: Sequence[label_json.Label], score: float | None) -> list[dict[str, Any]]:
    return [dict(label) if "confidence" in label else {**label, "confidence": score} for label in labels]


def _keep(cycle: Cycle, given: Sequence[Given], outcome: Received) -> None:
    newest = {each.task: each for each in given}
    with transaction.atomic():
        is_open = _hold_open(cycle)
        tasks = external.task_ids(cycle, newest)
        rows = [(tasks[uid][0], each) for uid, each in newest.items() if uid in tasks and tasks[uid][1]]
        if is_open:
            new = _write(cycle, rows, None)
            Run.objects.filter(cycle=cycle).update(done=Least(F("done") + new, F("total")))
        else:
            from apps.autolabel import ranking  # brings the inference runtime, which the web rarely needs

            _write(cycle, rows, Calibration.from_json(cycle.calibration or {}))
            ranking.fit_in(cycle, [task_id for task_id, _ in rows])
    outcome.accepted += len(rows)
    for uid, each in newest.items():
        if uid not in tasks:
            outcome.refuse(each.position, "There is no such task in this project.")
    outcome.ignored += sum(1 for uid in newest if uid in tasks and not tasks[uid][1])


def _hold_open(cycle: Cycle) -> bool:
    """Whether the cycle is open, and stays so until the transaction ends; a Conflict when it is closing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM common_shard WHERE run_id = %s FOR SHARE", [cycle.run_id])
        row = cursor.fetchone()
    if row and row[0] == "running":
        return True
    if cycle.calibration is None or cycle.ended_at is None:
        raise Conflict(f"Cycle {cycle.number} is not open for predictions any more.")
    return False


def _write(cycle: Cycle, rows: Sequence[tuple[int, Given]], calibration: Calibration | None) -> int:
    """By COPY; how many were not there yet. What is there is replaced while the cycle is open."""
    scores = np.array([each.score for _, each in rows])
    confidence = calibration.agreement(scores) if calibration and len(scores) else scores
    again = "DO UPDATE SET labels = excluded.labels, score = excluded.score, confidence = excluded.confidence"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS said"
            " (task_id bigint, labels jsonb, confidence float8, score float8) ON COMMIT DROP"
        )
        cursor.execute("TRUNCATE said")
        with cursor.copy("COPY said (task_id, labels, confidence, score) FROM STDIN") as copy:
            for (task_id, each), sure in zip(rows, confidence.tolist(), strict=True):
                copy.write_row((task_id, json.dumps(each.labels), sure, each.score))
        cursor.execute(
            "INSERT INTO autolabel_prediction (cycle_id, task_id, labels, confidence, score)"  # noqa: S608
            " SELECT %s, s.task_id, s.labels, s.confidence, s.score FROM said s"
            " JOIN labeling_task t ON t.id = s.task_id"
            f" ON CONFLICT (cycle_id, task_id) {again if calibration is None else 'DO NOTHING'}"
            " RETURNING (xmax = 0)",
            [cycle.pk],
        )
        return sum(1 for (is_new,) in cursor.fetchall() if is_new)
