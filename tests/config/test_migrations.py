"""The migrations say what the models say."""

from django.apps import apps
from django.core.management import call_command


def test_no_migration_is_pending(db):
    ours = [app.label for app in apps.get_app_configs() if app.name.startswith("apps.")]
    assert "labeling" in ours
    call_command("makemigrations", *ours, check=True, dry_run=True, verbosity=0)
