"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "People and organizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts import receivers  # noqa: F401  (connects them)
        from apps.accounts.access import Can
        from apps.common import runs

        runs.register(
            kind="organization-delete",
            queue="default",
            job="apps.accounts.jobs.delete_organization",
            label="Delete organization",
            can=Can.DELETE_ORGANIZATION,
        )
