"""The embedded Redis keeps what it was given."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
import redis

from config.processes import ServiceError
from config.redis_server import RedisServer


@pytest.fixture
def server(tmp_path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    yield made
    made.stop()


def test_what_was_written_outlives_a_stop(server):
    server.start()
    redis.Redis.from_url(server.url()).set("run", 7)
    server.stop()
    server.start()
    assert redis.Redis.from_url(server.url()).get("run") == b"7"


def test_what_was_written_outlives_a_kill(server):
    server.start()
    client = redis.Redis.from_url(server.url())
    client.set("run", 7)
    # Every write is in the file at once; only its way from the system's cache to the disk takes a second.
    server.process.kill()
    server.process.wait()
    server.start()
    assert redis.Redis.from_url(server.url()).get("run") == b"7"


def test_a_server_that_a_killed_owner_left_is_stopped_first(server):
    server.start()
    left = psutil.Process(server.process.pid)
    successor = RedisServer(server.home)
    try:
        successor.start()
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        assert redis.Redis.from_url(successor.url()).ping()
    finally:
        successor.stop()


def test_its_socket_is_for_its_owner_alone(server):
    server.start()
    assert server.socket.stat().st_mode & 0o077 == 0
    assert server.home.stat().st_mode & 0o077 == 0


def test_a_server_that_cannot_start_says_why(server):
    server.prepare()
    server.databases = 0
    with pytest.raises(ServiceError, match='did not start: .*databases "0"'):
        server.start()
