"""Long jobs: ask for one, start it, cancel it, begin it again. The row is the truth; Redis only carries its id.

An app registers its kinds in `AppConfig.ready`:

    runs.register(kind="flush", queue="default", job="apps.autolabel.jobs.flush", label="Flush", can=Can.RUN_LEARNING)

a service asks for a run inside its transaction, `runs.enqueue(runs.create(organization=…, kind="flush", …))`, and a
worker calls `flush(handle)`, which reports by `handle.progress(done, total, phase)`, writes rows inside
`with handle.guard():`, raises `runs.Failure("what went wrong")` and returns the result as a dict. It may be started
again after an interruption, so it first looks at what is already there. A job that hands its work to shards calls
`handle.open_shards([runs.Part(params, size), …])` last; each becomes a call of the kind's `shard_job(shard_handle)`,
and `close_job(handle)` is called once when none is left.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now

from apps.common import queues
from apps.common.ending import end, hold
from apps.common.handles import Canceled, Failure, Handle, Part, ShardHandle, Stopped, Superseded
from apps.common.http import Conflict
from apps.common.kinds import KINDS, register
from apps.common.models import Run, RunStatus, Shard

if TYPE_CHECKING:
    from apps.accounts.models import Organization, User

__all__ = [
    "KINDS", "Canceled", "Failure", "Handle", "Part", "ShardHandle", "Stopped", "Superseded",
    "cancel", "create", "enqueue", "register", "requeue", "requeue_interrupted", "retry", "start", "start_shard",
]  # fmt: skip

INTERRUPTIONS_FORGIVEN = 1


def create(
    *,
    organization: Organization | None,
    kind: str,
    target: int | None = None,
    params: dict[str, Any] | None = None,
    requested_by: User | None = None,
    total: int = 0,
    phase: str = "",
) -> Run:
    """A queued run, in the caller's transaction."""
    if kind not in KINDS:
        raise LookupError(f"No app registers runs of kind {kind!r}.")
    return Run.objects.create(
        organization=organization,
        kind=kind,
        target=target,
        params=params or {},
        requested_by=requested_by,
        total=total,
        phase=phase,
    )


def enqueue(run: Run) -> None:
    """The one door to the workers: once the transaction commits. With Redis away the sweeper does it later."""
    transaction.on_commit(partial(queues.push, [run]), robust=True)


def start(run_id: int) -> Handle | None:
    """A new attempt at a queued run; None when it is not queued any more."""
    with transaction.atomic():
        started = Run.objects.filter(pk=run_id, status=RunStatus.QUEUED).update(
            status=RunStatus.RUNNING,
            attempt=F("attempt") + 1,
            holder=holder(),
            heartbeat_at=Now(),
            started_at=Coalesce("started_at", Now()),
            phase_at=Now(),
            done=0,
        )
        return Handle(Run.objects.get(pk=run_id)) if started else None


def start_shard(shard_id: int) -> ShardHandle | None:
    """A new attempt at a queued shard of a running run; None when there is nothing to do."""
    # Not `run__status`: Django would look for the shard in a subquery, and PostgreSQL, when it has waited for another
    # start of the same shard, looks again at the row but not into the subquery.
    running = Exists(Run.objects.filter(pk=OuterRef("run_id"), status=RunStatus.RUNNING))
    with transaction.atomic():
        started = Shard.objects.filter(running, pk=shard_id, status=RunStatus.QUEUED).update(
            status=RunStatus.RUNNING, attempt=F("attempt") + 1, holder=holder(), heartbeat_at=Now(), done=0
        )
        return ShardHandle(Shard.objects.select_related("run").get(pk=shard_id)) if started else None


def cancel(run: Run, by: User | None) -> Run:
    """Stop the run for good; its job notices at its next write."""
    ended = end(run.pk, RunStatus.CANCELED, error=f"Canceled by {by}." if by else "Canceled.")
    if ended is None:
        raise Conflict("This has already ended.", status=_status(run))
    return ended


def retry(run: Run, by: User | None) -> Run:
    """Begin a failed or canceled run again, from the start, as the same row."""
    kind = KINDS.get(run.kind)
    if kind is None:
        raise Conflict("This version of Winnow no longer does this.", status=run.status)
    with transaction.atomic():
        hold(run.pk)
        again = Run.objects.filter(pk=run.pk, status__in=[RunStatus.FAILED, RunStatus.CANCELED]).update(
            **_FRESH, requested_by=by or F("requested_by")
        )
        if not again:
            raise Conflict("Only what has failed or was canceled can be tried again.", status=_status(run))
        Shard.objects.filter(run=run.pk).delete()
        queued = Run.objects.get(pk=run.pk)
        if kind.on_retry:
            kind.call(kind.on_retry, queued)
        enqueue(queued)
    return queued


def requeue(item: Run | Shard, reason: str, *, where: Q | None = None, forgive: int = INTERRUPTIONS_FORGIVEN) -> bool:
    """Queue an interrupted run or shard again; one that has been forgiven before fails its run, with the reason.

    False, and nothing has changed, if another attempt has it by now, if it is not as `where` says any more, or if
    it is writing at this moment.
    """
    run_id = item.pk if isinstance(item, Run) else item.run_id
    rows = type(item)._default_manager.filter(where or Q(), pk=item.pk, attempt=item.attempt, status=RunStatus.RUNNING)
    with transaction.atomic():
        hold(run_id)
        found = rows.select_for_update(skip_locked=True).first()
        if found is None:
            return False
        if found.requeues >= forgive:
            return end(run_id, RunStatus.FAILED, error=reason) is not None
        rows.update(**_AGAIN, requeues=F("requeues") + 1)
        if isinstance(found, Shard):
            Run.objects.filter(pk=run_id).update(done=F("done") - found.done)
        transaction.on_commit(partial(queues.push, [found]), robust=True)
    return True


def requeue_interrupted() -> int:
    """Queue again what this installation's workers held. For the moment when none of them can be alive: before
    `up` starts them. Stopping the server is not the fault of a run, so this is always forgiven."""
    mine = Q(status=RunStatus.RUNNING, holder=holder())
    items: list[Run | Shard] = [*Shard.objects.filter(mine), *Run.objects.filter(mine, shards_left=0)]
    return sum(requeue(item, "", forgive=item.requeues + 1) for item in items)


def holder() -> str:
    """This installation, as it signs the runs its workers hold."""
    return f"{socket.gethostname()}:{settings.VAR_DIR}"[:300]


def _status(run: Run) -> str | None:
    return Run.objects.filter(pk=run.pk).values_list("status", flat=True).first()


_AGAIN: dict[str, Any] = {
    "status": RunStatus.QUEUED,
    "done": 0,
    "heartbeat_at": None,
    "enqueued_at": None,
}
_FRESH = _AGAIN | {
    "requeues": 0,
    "phase": "",
    "phase_at": None,
    "total": 0,
    "error": "",
    "trace": "",
    "ended_at": None,
}
