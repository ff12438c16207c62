"""The autolabel app: what its brick does, its kinds of runs, its chore."""

from django.apps import AppConfig
from django.db.models.signals import post_delete


class AutolabelConfig(AppConfig):
    name = "apps.autolabel"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Active learning"

    def ready(self) -> None:
        from apps.accounts.access import Can
        from apps.accounts.signals import organization_deleting
        from apps.autolabel import acceptance, automatic, demo, services
        from apps.autolabel.leaving import discard_models, forget_files
        from apps.autolabel.models import Cycle
        from apps.common import runs, sweeper
        from apps.labeling import arrivals
        from apps.projects.bricks import LEARNING

        organization_deleting.connect(discard_models, dispatch_uid="autolabel")
        post_delete.connect(forget_files, sender=Cycle, dispatch_uid="autolabel")
        jobs = "apps.autolabel.jobs"
        runs.register(
            kind=services.CYCLE,
            label="Cycle",
            queue="training",
            job=f"{jobs}.cycle",
            shard_queue="inference",
            shard_job=f"{jobs}.predict_shard",
            close_job=f"{jobs}.close_cycle",
            on_end=f"{jobs}.ended",
            on_retry=f"{jobs}.retried",
            can=Can.RUN_LEARNING,
        )
        runs.register(
            kind=services.FLUSH,
            label="Flush",
            queue="default",
            job=f"{jobs}.flush",
            on_end=f"{jobs}.ended",
            on_retry=f"{jobs}.retried",
            can=Can.RUN_LEARNING,
        )
        runs.register(
            kind=acceptance.REVERT,
            label="Take auto-labels back",
            queue="default",
            job=f"{jobs}.revert",
            on_end=f"{jobs}.ended",
            on_retry=f"{jobs}.retried",
            can=Can.RUN_LEARNING,
        )
        runs.register(
            kind=services.SCORE,
            label="Score new images",
            queue="inference",
            job=f"{jobs}.score",
            can=Can.RUN_LEARNING,
        )
        runs.register(kind=demo.KIND, label="Demo pictures", queue="default", job="apps.autolabel.demo.make")
        arrivals.register(LEARNING, services.arrived)
        arrivals.guard_undo(LEARNING, services.learned_from)
        sweeper.register("run the stages in automatic mode", automatic.decide_all)
