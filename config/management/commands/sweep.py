"""The sweeper: a process of its own that looks after runs and calls what the apps registered."""

from __future__ import annotations

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.common import sweeper


class Command(BaseCommand):
    help = "Requeue interrupted runs, enqueue lost ones and do the apps' periodic chores, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Sweep once, whether or not another sweeper runs.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweeper.sweep()
            return
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        sweeper.serve(stop)
