"""Automatic mode: the sweeper trains after enough new labels and keeps the labeling stage stocked."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone

from apps.autolabel import services
from apps.autolabel.models import Cycle, Learner
from apps.autolabel.state import active_run, learner_of, option, training_set
from apps.common.http import Conflict
from apps.labeling.models import OPEN_STATES, Task
from apps.projects.bricks import LEARNING
from apps.projects.models import Project, Stage

log = logging.getLogger(__name__)

FAILED = "Nothing: an unexpected error, of which the server's log says more. It is tried again at every sweep."


def decide_all() -> None:
    """Every stage in automatic mode, one after the other; what goes wrong in one keeps no other from its turn."""
    stages = Stage.objects.filter(brick=LEARNING, config__automatic=True, project__status=Project.Status.READY)
    for stage in stages.select_related("project__organization"):
        try:
            decide(stage)
        except Exception:
            log.exception("Automatic mode failed in %s / %s", stage.project, stage.name)
            learner_of(stage)
            _note(stage, FAILED)  # where it is the database that is away this raises, and ends the sweep's turn


def _note(stage: Stage, words: str) -> None:
    """Said on the stage's page."""
    Learner.objects.filter(stage=stage).update(last_decision=words[:300], last_decision_at=timezone.now())


def decide(stage: Stage) -> list[str]:
    """What was decided, in words; kept on the learner. Of two sweepers the second sees what the first has done."""
    with transaction.atomic():
        services.locked(stage)
        made = [words for words in (_stock(stage), _train(stage)) if words]
        if made:
            _note(stage, " ".join(made))
    return made


def _stock(stage: Stage) -> str:
    wanted = option(stage, "keep_stocked")
    open_tasks = Task.objects.filter(project=stage.project_id, stage__brick="manual-labeling", state__in=OPEN_STATES)
    there = open_tasks.count()
    if there >= wanted or not stage.tasks.filter(state="waiting").exists():
        return ""
    try:
        batch = services.send_batch(stage, size=wanted - there, by=None, tops_up=True)
    except Conflict:
        return ""
    return f"Sent batch {batch.number}: {there} of {wanted} tasks were ready to label."


def _failed_on_these(stage: Stage) -> bool:
    """A cycle that failed or was canceled is not begun again before enough has been labeled since."""
    last = Cycle.objects.filter(stage=stage).order_by("-number").first()
    if last is None or last.ended_at:
        return False
    since = Task.objects.filter(project=stage.project_id, in_training_set=True, annotation__at__gt=last.created_at)
    return bool(since.count() < option(stage, "train_after"))


def _train(stage: Stage) -> str:
    learner = learner_of(stage)
    if active_run(stage):
        return ""
    labeled = training_set(stage, learner.current)
    if labeled.reason or labeled.new < option(stage, "train_after") or _failed_on_these(stage):
        return ""
    try:
        cycle = services.trigger_cycle(stage, by=None)
    except Conflict:
        return ""
    return f"Triggered cycle {cycle.number} after {labeled.new} new labels."
