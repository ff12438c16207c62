"""The tests' own ground: a real PostgreSQL and Redis, a cast, and real workers."""

import os
import subprocess
import sys

import django_rq
from django.conf import settings
from django.db import connection


def test_the_database_is_a_real_postgresql_18(db):
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        assert cursor.fetchone()[0].startswith("18")


def test_a_job_runs_in_a_real_worker_process(worker):
    queue = django_rq.get_queue(settings.QUEUES["default"])
    job = queue.enqueue(subprocess.check_output, ["/bin/echo", "done"])
    result = job.latest_result(timeout=180)
    assert result is not None and result.return_value == b"done\n"


def test_clients_are_logged_in(client_of, owner, stranger):
    assert client_of(owner).session["_auth_user_id"] == str(owner.pk)
    assert client_of(stranger).session["_auth_user_id"] == str(stranger.pk)


def test_a_second_run_on_the_same_folder_is_refused():
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/config/test_cast.py"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "set WINNOW_TEST_VAR to another folder" in done.stderr


def test_every_run_has_files_and_queues_of_its_own():
    assert settings.VAR_DIR.parent.name.startswith("winnow-tests-")
    assert settings.MEDIA_ROOT.is_relative_to(settings.VAR_DIR)
    assert all(name.startswith("test-") for name in settings.QUEUES.values())
