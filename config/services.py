"""Starts and stops the embedded PostgreSQL and Redis; checks those that were named from outside."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import psycopg
import redis

from config.postgres import Postgres, home_of
from config.processes import ServiceError
from config.redis_server import RedisServer


class Lock:
    """One owner a folder; the system releases it with the process, however that ends."""

    def __init__(self, path: Path, message: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file: IO[str] = path.open("a+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.seek(0)
            raise ServiceError(message.format(pid=self.file.read().strip() or "unknown")) from None
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def release(self) -> None:
        self.file.close()


def check_database(url: str) -> None:
    """Connect once to a database named from outside."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise ServiceError(f"The database of DATABASE_URL does not answer: {reason}") from None


def check_redis(url: str) -> None:
    """Connect once to a Redis named from outside."""
    try:
        redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5).ping()
    except (redis.RedisError, ValueError) as error:
        raise ServiceError(f"The Redis of REDIS_URL does not answer: {error}") from None


__all__ = ["Lock", "Postgres", "RedisServer", "ServiceError", "check_database", "check_redis", "home_of"]
