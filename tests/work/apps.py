"""An app of the tests: kinds of runs whose every step leaves a row."""

from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "tests.work"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.common import runs

        here = "tests.work.jobs"
        runs.register(kind="test-steps", queue="default", job=f"{here}.steps", label="Steps", on_end=f"{here}.ended")
        runs.register(kind="test-failing", queue="default", job=f"{here}.failing", label="Failing")
        runs.register(
            kind="test-parts",
            queue="training",
            job=f"{here}.parts",
            label="Parts",
            shard_queue="inference",
            shard_job=f"{here}.part",
            close_job=f"{here}.close",
            on_end=f"{here}.ended",
            on_retry=f"{here}.again",
        )
