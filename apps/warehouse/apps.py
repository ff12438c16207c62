"""The warehouse app: its kinds of runs."""

from django.apps import AppConfig


class WarehouseConfig(AppConfig):
    name = "apps.warehouse"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts.access import Can
        from apps.accounts.signals import organization_deleting
        from apps.common import runs, sweeper
        from apps.warehouse.export_files import HAS_FILE, forget_old
        from apps.warehouse.leaving import discard_files

        organization_deleting.connect(discard_files, dispatch_uid="warehouse")
        here, can = "apps.warehouse", Can.MANAGE_WAREHOUSE
        runs.register(
            kind="import",
            label="Import",
            queue="default",
            job=f"{here}.imports.perform",
            on_end=f"{here}.imports.ended",
            on_retry=f"{here}.imports.retried",
            can=can,
        )
        runs.register(
            kind="undo-import",
            label="Undo an import",
            queue="default",
            job=f"{here}.removing.undo_import",
            on_retry=f"{here}.imports.retried",
            can=can,
        )
        runs.register(
            kind="delete-dataset",
            label="Delete a dataset",
            queue="default",
            job=f"{here}.removing.perform_delete",
            can=can,
        )
        runs.register(
            kind="export",
            label="Export",
            queue="default",
            job=f"{here}.export_files.perform",
            can=can,
            needed=HAS_FILE,
        )
        sweeper.register("forget the files of old exports", forget_old)
        runs.register(
            kind="prepare",
            label="Read images",
            queue="default",
            job=f"{here}.preparing.open_shards",
            shard_queue="inference",
            shard_job=f"{here}.preparing.prepare_shard",
            close_job=f"{here}.preparing.close",
            can=can,
        )
