"""Promises of the model files: any worker finds them, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from apps.autolabel import files
from apps.autolabel.models import Cycle
from tests.autolabel.loop import Loop
from tests.warehouse.bucket import BUCKET, REGION, Bucket
from tests.warehouse.conftest import bucket, s3_server

__all__ = ["bucket", "s3_server"]


@pytest.fixture
def model_file(tmp_path: Path, settings: Any) -> Path:
    settings.MODELS_ROOT = tmp_path / "models"
    local = tmp_path / "trained.onnx"
    local.write_bytes(b"weights" * 1000)
    return local


@pytest.fixture
def in_bucket(bucket: Bucket, settings: Any) -> Bucket:
    options = {"bucket_name": BUCKET, "endpoint_url": bucket.endpoint, "region_name": REGION, "file_overwrite": False}
    keys = {"access_key": "root", "secret_key": "root"}
    settings.S3_BUCKET = BUCKET
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | keys}
    }
    return bucket


def test_a_kept_file_is_found_by_its_name(model_file: Path) -> None:
    files.keep(model_file, "1/2/cycle.onnx")
    assert files.path_of("1/2/cycle.onnx").read_bytes() == model_file.read_bytes()
    assert [each.name for each in files.path_of("1/2/cycle.onnx").parent.iterdir()] == ["cycle.onnx"]


def test_a_missing_file_is_named(model_file: Path) -> None:
    with pytest.raises(files.Missing, match="1/2/gone.onnx"):
        files.path_of("1/2/gone.onnx")


def test_a_dropped_file_is_gone_and_dropping_again_does_nothing(model_file: Path) -> None:
    files.keep(model_file, "1/2/cycle.pt")
    for name in ("1/2/cycle.pt", "1/2/cycle.pt", ""):
        files.drop(name)
    with pytest.raises(files.Missing):
        files.path_of("1/2/cycle.pt")


@pytest.mark.django_db(transaction=True)
def test_the_files_of_a_cycle_go_with_its_project(loop: Loop, model_file: Path) -> None:
    files.keep(model_file, "1/2/cycle.onnx")
    stage = loop.stage()
    Cycle.objects.create(stage=stage, number=1, model_path="1/2/cycle.onnx")
    stage.project.tasks.all().delete()
    stage.project.delete()
    with pytest.raises(files.Missing):
        files.path_of("1/2/cycle.onnx")


def test_another_machine_fetches_the_file_from_the_bucket(model_file: Path, in_bucket: Bucket, settings: Any) -> None:
    files.keep(model_file, "1/2/cycle.onnx")
    shutil.rmtree(settings.MODELS_ROOT)
    assert files.path_of("1/2/cycle.onnx").read_bytes() == model_file.read_bytes()
    shutil.rmtree(settings.MODELS_ROOT)
    files.drop("1/2/cycle.onnx")
    assert not default_storage.exists("models/1/2/cycle.onnx")
    with pytest.raises(files.Missing):
        files.path_of("1/2/cycle.onnx")
