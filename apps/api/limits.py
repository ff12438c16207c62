"""How many requests a key may make: a fixed window of a minute, counted in Redis, one counter a key."""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from ninja.throttling import BaseThrottle
from redis.exceptions import RedisError

SECONDS = 60
logger = logging.getLogger(__name__)


class KeyRate(BaseThrottle):
    """At most API_REQUESTS_PER_MINUTE of each API key; with Redis away nobody is refused."""

    def allow_request(self, request: HttpRequest) -> bool:
        name = f"api-requests-{request.auth.pk}-{int(time.time()) // SECONDS}"  # type: ignore[attr-defined]
        try:
            cache.add(name, 0, 2 * SECONDS)
            return int(cache.incr(name)) <= settings.API_REQUESTS_PER_MINUTE
        except (RedisError, ValueError) as error:
            # The counter may go between the two calls, with Redis or with its time.
            logger.warning("Requests are not counted: %s", error)
            return True

    def wait(self) -> float:
        """Seconds until the next window."""
        return SECONDS - time.time() % SECONDS
