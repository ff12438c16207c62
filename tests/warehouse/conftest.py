"""The fixtures of the warehouse's tests."""

import pytest

from apps.accounts.models import Organization
from apps.warehouse.models import Dataset, Labelset
from tests.warehouse.bucket_fixtures import bucket, s3_method, s3_server
from tests.warehouse.factory import make_dataset, make_labelset, make_taxonomy

__all__ = ["bucket", "s3_method", "s3_server"]


@pytest.fixture
def dataset(organization: Organization) -> Dataset:
    return make_dataset(organization)


@pytest.fixture
def labelset(organization: Organization) -> Labelset:
    """Of a taxonomy with the one class car."""
    return make_labelset(organization, make_taxonomy(organization, "car"))
