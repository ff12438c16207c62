"""Words and figures of a run, for templates: {% load run_words %}."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils import timezone

from apps.common.kinds import label_of
from apps.common.models import Run

register = template.Library()

SECONDS_POLLED_FAST = 10
BADGES = {"queued": "", "running": "accent", "done": "success", "failed": "danger", "canceled": "warning"}


@register.filter
def kind_label(run: Run) -> str:
    return label_of(run.kind)


@register.filter
def badge(run: Run) -> str:
    return BADGES[run.status]


@register.filter
def poll_seconds(run: Run) -> int:
    """A short run is watched closely, a long one is not."""
    return 1 if timezone.now() - run.created_at < timedelta(seconds=SECONDS_POLLED_FAST) else 2


@register.filter
def time_left(run: Run) -> str:
    left = run.time_left()
    return f"about {span(left)} left" if left is not None else ""


@register.filter
def took(run: Run) -> str:
    """From its start to its end."""
    if run.started_at is None or run.ended_at is None:
        return ""
    return span(run.ended_at - run.started_at)


def span(time: timedelta) -> str:
    """As exact as one would say it."""
    seconds = max(1, round(time.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 5) * 5, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
