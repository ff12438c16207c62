"""What the tests' runs do. A step waits until the test has written the file it is told to wait for."""

from __future__ import annotations

import os
import time
from pathlib import Path

from apps.common.handles import Failure, Handle, Part, ShardHandle
from apps.common.models import Run
from tests.work.models import Receipt


def steps(handle: Handle) -> dict[str, int]:
    """`steps` receipts; before number `pause_at` it stays alive until the file `gate` is there."""
    params = handle.params
    present = set(Receipt.objects.filter(run=handle.run.pk).values_list("step", flat=True))
    for number in range(params["steps"]):
        if number == params.get("pause_at"):
            wait_at(Path(params["gate"]), handle)
        if str(number) not in present:
            with handle.guard():
                sign(handle.run, str(number), handle.attempt)
                if number == params.get("hang_at"):
                    hang_at(Path(params["gate"]))
        handle.progress(number + 1, params["steps"], "stepping")
    return {"steps": params["steps"]}


def failing(handle: Handle) -> None:
    if handle.params.get("expected"):
        raise Failure("The third image cannot be read.")
    raise ZeroDivisionError("a secret detail\nlast line")


def parts(handle: Handle) -> None:
    handle.progress(0, phase="cutting")
    sign(handle.run, "open", handle.attempt)
    handle.open_shards(
        [Part({"name": f"part {number}"}, size=10) for number in range(handle.params["parts"])], phase="parts"
    )


def part(handle: ShardHandle) -> dict[str, str]:
    params = handle.run.params
    if params.get("fail_at") == handle.shard.number:
        raise Failure("This part cannot be done.")
    if "gate" in params:
        wait_at(Path(params["gate"]), handle)
    with handle.guard():
        sign(handle.run, handle.params["name"], handle.attempt)
        handle.finish({"by": "part"})
    return {}


def close(handle: Handle) -> dict[str, int]:
    with handle.guard():
        sign(handle.run, "close", handle.attempt)
    return {"parts": handle.run.shards.count()}


def ended(run: Run) -> None:
    sign(run, f"ended {run.status}", run.attempt)


def again(run: Run) -> None:
    sign(run, "again", run.attempt)


def wait_at(gate: Path, handle: Handle | ShardHandle) -> None:
    """Say by a file that the gate is reached, and by heartbeats that this lives, until the gate is open."""
    gate.with_suffix(f".{os.getpid()}").touch()
    while not gate.exists():
        handle.beat()
        time.sleep(0.05)


def hang_at(gate: Path) -> None:
    """As `wait_at`, but in the middle of a transaction, where no heartbeat can be seen."""
    gate.with_suffix(f".{os.getpid()}").touch()
    while not gate.exists():
        time.sleep(0.05)


def sign(run: Run, step: str, attempt: int) -> None:
    Receipt.objects.create(run=run.pk, step=step, attempt=attempt, pid=os.getpid())
