"""/healthz and /readyz, with the real parts and without each of them."""

import pytest


def test_healthz_needs_no_login_and_no_part(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


def test_a_head_request_is_answered_as_well(client):
    assert client.head("/healthz").status_code == 200


def test_ready_with_a_worker(client, worker):
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    assert set(response.json()["parts"].values()) == {"ok"}


def test_not_ready_without_a_worker(client, transactional_db):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "parts": {"database": "ok", "redis": "ok", "storage": "ok", "worker": "failing"},
    }


def test_not_ready_without_redis(client, db, settings, tmp_path):
    away = {name: {**queue, "URL": f"unix://{tmp_path}/nobody.sock"} for name, queue in settings.RQ_QUEUES.items()}
    settings.RQ_QUEUES = away
    parts = client.get("/readyz").json()["parts"]
    assert (parts["redis"], parts["worker"], parts["database"]) == ("failing", "failing", "ok")


def test_not_ready_without_a_writable_storage(client, db, settings, tmp_path):
    (tmp_path / "media").write_text("a file where the folder should be")
    settings.MEDIA_ROOT = tmp_path / "media"
    parts = client.get("/readyz").json()["parts"]
    assert (parts["storage"], parts["redis"]) == ("failing", "ok")


def test_the_storage_check_leaves_nothing(client, db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    assert client.get("/readyz").json()["parts"]["storage"] == "ok"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_answers_are_never_cached_and_only_read(client, db, path):
    assert "no-store" in client.get(path)["Cache-Control"]
    assert client.post(path).status_code == 405
