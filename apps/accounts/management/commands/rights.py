"""manage.py rights: the table of who may what, for docs/access.md."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.access import table_of_rights


class Command(BaseCommand):
    help = "Print who may what as Markdown; docs/access.md holds it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(table_of_rights(), ending="")
