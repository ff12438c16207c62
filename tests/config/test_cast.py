"""The tests' own ground: a real PostgreSQL and Redis, a cast, and real workers."""

import subprocess

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
    result = job.latest_result(timeout=20)
    assert result is not None and result.return_value == b"done\n"


def test_clients_are_logged_in(client_of, owner, stranger):
    assert client_of(owner).session["_auth_user_id"] == str(owner.pk)
    assert client_of(stranger).session["_auth_user_id"] == str(stranger.pk)
