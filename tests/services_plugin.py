"""Loaded by -p before Django's settings: the tests' own PostgreSQL and Redis, started once by the controller.

Every xdist worker gets a database (pytest-django), a Redis database, an RQ prefix and folders of its own.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from config.processes import ServiceError
from config.services import Lock, Postgres, RedisServer, home_of

ROOT = Path(__file__).resolve().parent.parent
REDIS_DATABASES = 64


class TestServices:
    """The cluster and the Redis of one run of the tests."""

    __test__ = False

    def __init__(self) -> None:
        named = os.environ.get("WINNOW_TEST_VAR")
        self.var = Path(named or ROOT / "var" / "test-pg").resolve()
        busy = f"Another run of the tests (process {{pid}}) uses {self.var}: set WINNOW_TEST_VAR to another folder."
        self.lock = Lock(self.var / "lock", busy)
        self.postgres = Postgres(home_of(self.var, is_default=not named), fast=True)
        self.redis = RedisServer(self.var / "redis", databases=REDIS_DATABASES)
        self.files = Path(tempfile.mkdtemp(prefix="winnow-tests-"))

    def start(self) -> None:
        self.postgres.start()
        os.environ["DATABASE_URL"] = self.postgres.create_database("winnow")
        self.redis.start()
        os.environ["WINNOW_TEST_REDIS"] = str(self.redis.socket)
        os.environ["WINNOW_TEST_FILES"] = str(self.files)

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()
        shutil.rmtree(self.files, ignore_errors=True)
        self.lock.release()


_services: TestServices | None = None


def _enter_worker() -> None:
    """What this process alone uses, put where the settings read it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    files = Path(os.environ["WINNOW_TEST_FILES"]) / worker
    os.environ |= {
        "REDIS_URL": f"unix://{os.environ['WINNOW_TEST_REDIS']}?db={number % REDIS_DATABASES}",
        "RQ_PREFIX": f"test-{worker}-",
        "WINNOW_VAR": str(files),
        "MEDIA_ROOT": str(files / "media"),
        "MODELS_ROOT": str(files / "models"),
        "DATABASE_POOL": "false",
        "OMP_NUM_THREADS": "1",
    }
    (files / "static").mkdir(parents=True, exist_ok=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests():
    """Before pytest-django reads the settings."""
    global _services
    if "PYTEST_XDIST_WORKER" not in os.environ:
        for name in [name for name in os.environ if name.startswith("S3_")]:
            del os.environ[name]
        try:
            _services = TestServices()
            _services.start()
        except ServiceError as error:
            raise pytest.UsageError(str(error)) from None
    _enter_worker()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """After the last test, in the controller."""
    if _services:
        _services.stop()
