"""The fixtures of the warehouse's tests."""

from tests.warehouse.bucket_fixtures import bucket, s3_method, s3_server

__all__ = ["bucket", "s3_method", "s3_server"]
