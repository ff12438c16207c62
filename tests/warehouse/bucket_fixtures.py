"""The bucket as fixtures; a test folder that needs them imports them in its conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.accounts.models import Organization
from apps.warehouse import methods
from apps.warehouse.models import StorageMethod
from tests.warehouse.bucket import BUCKET, REGION, Bucket, serve


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with serve() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_server: str, settings) -> Iterator[Bucket]:
    """An empty bucket; addresses of this machine are allowed, as an operator with MinIO would."""
    settings.STORAGE_ALLOW_PRIVATE = True
    made = Bucket(s3_server)
    yield made
    made.reset()


@pytest.fixture
def s3_method(bucket: Bucket, organization: Organization) -> StorageMethod:
    key, secret = bucket.user("s3:GetObject", "s3:ListBucket")
    return methods.create(
        organization=organization, by=None, name="Bucket", provider="AWS_S3", bucket=BUCKET, region=REGION,
        endpoint=bucket.endpoint, access_key=key, secret_key=secret,
    )  # fmt: skip
