"""What people decide in an active-learning stage: send a batch, recall it, trigger a cycle, cancel, flush, check."""

from __future__ import annotations

import random
import uuid
from functools import partial

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Max, Q, Sum

from apps.accounts import audit
from apps.accounts.models import User
from apps.autolabel import external, files, lots, queue
from apps.autolabel.models import Cycle, FlushCheck, Learner, Prediction, StageRun
from apps.autolabel.state import active_run, flushable, learner_of, option, training_set
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.labeling import transitions
from apps.labeling.arrivals import Arrival
from apps.labeling.models import Batch, Task
from apps.projects.bricks import EXTERNAL
from apps.projects.models import Project, Stage

MINIMUM_AUDITS = 3
HELD_OUT_SHARE = 5
"""One of so many tasks sent before the first cycle is held out."""
CYCLE, FLUSH, SCORE = "cycle", "flush", "score"


# Batches.


def send_batch(
    stage: Stage, *, size: int, by: User | None, key: uuid.UUID | None = None, tops_up: bool = False
) -> Batch:
    """Send the top `size` tasks to be labeled, and after the first cycle audits drawn from the rest, mixed in.

    What only `tops_up` a stock is one batch with all that was sent since the cycle, as far as audits are concerned:
    the least number of audits with each of many small ones would be most of what people label.
    """
    if size < 1:
        raise Conflict("A batch has at least one image.")
    key = key or uuid.uuid4()
    with transaction.atomic():
        current = locked(stage).current
        if earlier := Batch.objects.filter(stage=stage, key=key).first():
            return earlier
        require_open(stage)
        ranked = [place.task_id for place in queue.top(stage, current, size)]
        if not ranked:
            raise Conflict("The queue is empty: there is nothing to send.")
        batch = new_batch(stage, by, key)
        audits = _audits(stage, batch, ranked, current if tops_up else None) if current else []
        held_out = [] if current else _held_out(stage, ranked)
        order = _mixed(ranked, audits, batch)
        send_tasks(batch, order, by=by, current=current, audits=audits, held_out=held_out)
    return batch


def check_first(
    stage: Stage, *, threshold: float, size: int, by: User | None, key: uuid.UUID | None = None
) -> FlushCheck:
    """Send tasks drawn uniformly from exactly what a flush would auto-label, to be labeled blind before it."""
    key = key or uuid.uuid4()
    with transaction.atomic():
        current = locked(stage).current
        if earlier := FlushCheck.objects.filter(batch__stage=stage, batch__key=key).first():
            return earlier
        require_open(stage)
        if current is None:
            raise Conflict("There are no auto-labels to check before the first cycle has ended.")
        population = flushable(stage, current, threshold).auto
        batch = new_batch(stage, by, key)
        drawn = queue.draw_flushable(stage, current, threshold, batch.pk, size)
        if not drawn:
            raise Conflict(f"No image in the queue has a confidence of {threshold:.0%} or more.")
        check = FlushCheck.objects.create(
            stage=stage, batch=batch, cycle=current, threshold=threshold, population=population, by=by
        )
        send_tasks(batch, drawn, by=by, current=current, audits=drawn, held_out=[])
    return check


def recall(batch: Batch, *, by: User | None) -> int:
    """The unlabeled rest of a batch returns to the queue; how many images that are."""
    with transaction.atomic():
        learner = locked(batch.stage)
        recalled = transitions.recall(batch=batch, by=by)
        if learner.current:
            request_scores(batch.stage)
    return recalled


def new_batch(stage: Stage, by: User | None, key: uuid.UUID, *, is_picked: bool = False) -> Batch:
    number = (Batch.objects.filter(stage=stage).aggregate(last=Max("number"))["last"] or 0) + 1
    return Batch.objects.create(stage=stage, number=number, size=0, by=by, key=key, is_picked=is_picked)


def send_tasks(
    batch: Batch, order: list[int], *, by: User | None, current: Cycle | None, audits: list[int], held_out: list[int]
) -> None:
    sent = transitions.send(
        stage=batch.stage,
        batch=batch,
        task_ids=order,
        by=by,
        audits=audits,
        held_out=held_out,
        prelabels=queue.predictions(current),
    )
    if not sent:
        raise Conflict("What was to be sent has just left the queue.")
    batch.audits = Task.objects.filter(batch=batch, is_audit=True).count()
    batch.size = sent - batch.audits
    batch.save(update_fields=["audits", "size"])


def _audits(stage: Stage, batch: Batch, ranked: list[int], together_since: Cycle | None) -> list[int]:
    share = float(option(stage, "audit_share"))
    size, drawn = len(ranked), 0
    if together_since:
        sent = Batch.objects.filter(stage=stage, at__gt=together_since.ended_at or batch.at, flush_check=None)
        earlier = sent.filter(is_picked=False).aggregate(size=Sum("size", default=0), audits=Sum("audits", default=0))
        size, drawn = size + earlier["size"], earlier["audits"]
    wanted = max(MINIMUM_AUDITS, round(share * size)) - drawn if share > 0 else 0
    return lots.draw(stage, batch.pk, wanted, without=ranked)


def _held_out(stage: Stage, ranked: list[int]) -> list[int]:
    """Of all that is sent before the first cycle a fifth, chosen by hash; what somebody picked does not count."""
    sent = Task.objects.filter(batch__stage=stage, batch__is_picked=False)
    before = sent.aggregate(all=Count("id"), held_out=Count("id", filter=Q(is_held_out=True)))
    wanted = (before["all"] + len(ranked)) // HELD_OUT_SHARE - before["held_out"]
    by_hash = sorted(ranked, key=lambda task_id: uuid.uuid5(uuid.NAMESPACE_OID, f"{stage.pk}:{task_id}"))
    return by_hash[: max(0, wanted)]


def _mixed(ranked: list[int], audits: list[int], batch: Batch) -> list[int]:
    """The ranked in their order with the audits anywhere between them, so that nobody can tell them apart."""
    total = len(ranked) + len(audits)
    places = set(random.Random(batch.pk).sample(range(total), len(audits)))  # noqa: S311
    rest, drawn = iter(ranked), iter(audits)
    return [next(drawn) if place in places else next(rest) for place in range(total)]


# Cycles.


def trigger_cycle(stage: Stage, *, by: User | None, key: uuid.UUID | None = None, again: bool = False) -> Cycle:
    """Train on the training set, predict the queue and reorder it; `again` confirms that nothing new is labeled."""
    key = key or uuid.uuid4()
    with transaction.atomic():
        learner = locked(stage)
        if earlier := asked(stage, key):
            return Cycle.objects.get(run=earlier)
        require_ready(stage)
        labeled = training_set(stage, learner.current)
        if labeled.reason:
            raise Conflict(labeled.reason, missing=labeled.missing)
        if not labeled.new and not again:
            raise Conflict("Nothing was labeled since the last cycle. Confirm to train again.", confirm=True)
        run = runs.create(
            organization=stage.project.organization, kind=CYCLE, target=stage.pk, requested_by=by, phase="Waiting"
        )
        hold(stage, run, key)
        number = (Cycle.objects.filter(stage=stage).aggregate(last=Max("number"))["last"] or 0) + 1
        cycle = _new_cycle(stage, run, number)
        if cycle.is_external:
            external.open_cycle(cycle)
        else:
            runs.enqueue(run)
    return cycle


def _new_cycle(stage: Stage, run: Run, number: int) -> Cycle:
    is_external = option(stage, "learner") == EXTERNAL
    strategy = option(stage, "strategy")
    # Diversity is measured by embeddings, which only the built-in learner makes.
    if is_external and strategy == "diverse":
        strategy = "least-confident"
    return Cycle.objects.create(
        stage=stage,
        run=run,
        number=number,
        is_external=is_external,
        preset="" if is_external else option(stage, "preset"),
        strategy=strategy,
    )


def cancel(stage: Stage, *, by: User | None) -> Run:
    """Stop the cycle or flush that holds the stage."""
    run = active_run(stage)
    if run is None:
        raise Conflict("Nothing is running in this stage.")
    return runs.cancel(run, by)


# Flush.


def flush(
    stage: Stage, *, threshold: float = 0.0, by: User | None, key: uuid.UUID | None = None, labeled: bool = True
) -> Run:
    """Send what is labeled, and auto-labels at or above the threshold, to the output, in a job.

    Without `labeled` only the auto-labels go: they are accepted in bulk.
    """
    if not 0 <= threshold <= 1:
        raise Conflict("The threshold is a confidence from 0 to 1.")
    key = key or uuid.uuid4()
    with transaction.atomic():
        current = locked(stage).current
        if earlier := asked(stage, key):
            return earlier
        require_ready(stage)
        found = flushable(stage, current, threshold)
        total = found.total if labeled else found.auto
        if not total:
            raise Conflict("Nothing can be flushed: no image here is labeled or predicted at this threshold.")
        run = runs.create(
            organization=stage.project.organization,
            kind=FLUSH,
            target=stage.pk,
            params={"threshold": threshold, "cycle": current.pk if current else None, "labeled": labeled},
            requested_by=by,
            total=total,
            phase="Waiting",
        )
        hold(stage, run, key)
        audit.record(
            stage.project.organization, by, "flushed", f"{stage.project.name} / {stage.name}",
            threshold=threshold, labeled=found.labeled if labeled else 0, auto_labels=found.auto,
        )  # fmt: skip
        runs.enqueue(run)
    return run


# Late arrivals.


def request_scores(stage: Stage) -> None:
    """Have tasks without a prediction scored by the current model; a run that waits already will see them.

    What an external learner has not seen waits for it to ask.
    """
    if Learner.objects.filter(stage=stage, current__is_external=True).exists():
        return
    if not _scores_wait(stage):
        runs.enqueue(runs.create(organization=stage.project.organization, kind=SCORE, target=stage.pk))


def _scores_wait(stage: Stage) -> bool:
    """Whether a run is queued that cannot begin before the caller's transaction, and its tasks with it, is there.

    The lock keeps a worker from starting it; one that is being started will perhaps not see them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM common_run WHERE kind = %s AND target = %s AND status = %s LIMIT 1 FOR SHARE SKIP LOCKED",
            [SCORE, stage.pk, RunStatus.QUEUED],
        )
        return cursor.fetchone() is not None


def arrived(arrival: Arrival) -> None:
    """New tasks join the queue of a stage that has a model: it scores them."""
    if arrival.port == "in" and Learner.objects.filter(stage=arrival.stage, current__isnull=False).exists():
        request_scores(arrival.stage)


def learned_from(task: Task) -> str:
    """Why the submit that brought the task here can no longer be undone: a cycle has used its labels."""
    used = Cycle.objects.filter(stage=task.stage_id, last_annotation__gte=task.annotation_id or 0)
    cycle = used.exclude(run__status__in=[RunStatus.FAILED, RunStatus.CANCELED]).order_by("number").first()
    return f"Cycle {cycle.number} has learned from it since." if cycle else ""


# What the actions share.


def locked(stage: Stage) -> Learner:
    """The learner, locked: the stage's actions take turns, also with archiving and deleting the project.

    `current` is read by a statement of its own: joined to the lock, it would be looked for as it was before the wait,
    and a cycle that ended meanwhile would pass for none.
    """
    learner_of(stage)
    projects = Project.objects.select_related("organization").select_for_update(of=("self",), no_key=True)
    stage.project = projects.get(pk=stage.project_id)
    return Learner.objects.select_for_update().get(stage=stage)


def asked(stage: Stage, key: uuid.UUID) -> Run | None:
    """The run that an earlier submit of the same form has started."""
    found = StageRun.objects.select_related("run").filter(stage=stage, key=key).first()
    return found.run if found else None


def require_open(stage: Stage) -> None:
    if stage.project.status != Project.Status.READY:
        raise Conflict(f"The project is {stage.project.get_status_display().lower()}.")


def require_ready(stage: Stage) -> None:
    require_open(stage)
    if running := active_run(stage):
        raise Conflict(f"A {running.kind} is running in this stage. Wait for it or cancel it.", run=running.pk)


def hold(stage: Stage, run: Run, key: uuid.UUID) -> None:
    try:
        with transaction.atomic():
            StageRun.objects.create(stage=stage, run=run, key=key)
    except IntegrityError:
        raise Conflict("Another cycle or flush holds this stage.") from None


def let_go(run: Run) -> None:
    """A run has ended, whichever way: the stage is free."""
    StageRun.objects.filter(run=run).update(is_active=False)


def take_again(run: Run) -> None:
    """A failed or canceled run begins again, if the stage is free and nothing newer has run since."""
    held = StageRun.objects.select_related("stage__project").get(run=run)
    learner = locked(held.stage)
    require_ready(held.stage)
    cycle = Cycle.objects.filter(run=run).first()
    if cycle and learner.current == cycle:
        raise Conflict(f"Cycle {cycle.number} has ended and is current. Trigger a new one.")
    if cycle and learner.current and learner.current.number > cycle.number:
        raise Conflict(f"Cycle {learner.current.number} has ended since. Trigger a new one.")
    if run.kind == FLUSH and run.params["cycle"] != learner.current_id:
        raise Conflict("Another cycle has ended since: its predictions are others. Flush anew.")
    StageRun.objects.filter(run=run).update(is_active=True)
    if cycle:
        Prediction.objects.filter(cycle=cycle).delete()
        cycle.unreadable.all().delete()
        for name in (cycle.model_path, cycle.checkpoint_path):
            transaction.on_commit(partial(files.try_to_drop, name), robust=True)
        Cycle.objects.filter(pk=cycle.pk).update(model_path="", checkpoint_path="", calibration=None, ended_at=None)
        if cycle.is_external:
            external.open_cycle(cycle)
