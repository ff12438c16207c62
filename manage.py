#!/usr/bin/env python
"""Django's command line for Winnow."""

import os
import sys

NOTHING_RUNS = "No database answers: run `make up` in another terminal, or set DATABASE_URL and REDIS_URL."


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError

    try:
        named = settings.DATABASE_URL_NAMED
    except ImproperlyConfigured as error:
        sys.exit(f"Settings: {error}")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError):
        if named:
            raise
        sys.exit(NOTHING_RUNS)


if __name__ == "__main__":
    main()
