"""Browsers by the names that people know: {% load devices %}."""

from __future__ import annotations

from django import template
from ua_parser import parse

register = template.Library()

NAMES = {"HeadlessChrome": "Chrome", "Mobile Safari": "Safari", "Chrome Mobile": "Chrome", "Firefox Mobile": "Firefox"}


@register.filter
def device(user_agent: str) -> str:
    """Such as "Firefox on Windows", from what the browser says of itself; its own words where nothing is known."""
    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    browser = NAMES.get(browser, browser)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or user_agent or "unknown"
