"""What workers call for the runs of an active-learning stage."""

from __future__ import annotations

from typing import Any

from apps.autolabel import acceptance, flushing, learning, measuring, predicting, services
from apps.autolabel.beating import beating
from apps.autolabel.models import Cycle
from apps.common.models import Run
from apps.common.runs import Handle, ShardHandle


def cycle(handle: Handle) -> dict[str, Any] | None:
    """Train and calibrate, unless an interrupted attempt has done so, and hand the queue out in shards."""
    row = Cycle.objects.select_related("stage__project").get(run=handle.run)
    with beating(handle):
        if not row.model_path:
            learning.train(handle, row)
        if row.calibration is None:
            learning.calibrate_cycle(handle, row)
    parts = predicting.parts(row.stage)
    if not parts:
        return close_cycle(handle)
    handle.open_shards(parts, phase=learning.PREDICTING)
    return None


def predict_shard(handle: ShardHandle) -> None:
    predicting.predict_shard(handle)


def close_cycle(handle: Handle) -> dict[str, Any]:
    with beating(handle):
        measuring.measure(handle)
        result = predicting.close(handle)
    row = Cycle.objects.select_related("stage__project").get(run=handle.run)
    predicting.forget_others(row)
    if predicting.has_unscored(row):
        services.request_scores(row.stage)
    return result


def flush(handle: Handle) -> dict[str, Any]:
    return flushing.flush(handle)


def revert(handle: Handle) -> dict[str, Any]:
    return acceptance.take_back(handle)


def score(handle: Handle) -> dict[str, Any]:
    return predicting.score_arrivals(handle)


def ended(run: Run) -> None:
    services.let_go(run)


def retried(run: Run) -> None:
    services.take_again(run)
