"""S3 and what speaks like it: open, pre-sign, list, and say exactly what is wrong with a method."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from apps.common import fetch

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from apps.warehouse.models import StorageMethod

KEYS_A_PAGE = 1000
BYTES_IN_MEMORY = 16 << 20


class StorageError(Exception):
    """A storage that does not give what is asked of it; the message is for people."""


class TooLong(StorageError):
    """A file of more bytes than the caller wants at once."""


def refuse_long(path: str, size: int, most: int | None) -> None:
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise StorageError(f"{path} is larger than {settings.UPLOAD_LIMIT_BYTES // 2**20} MB.")
    if most is not None and size > most:
        raise TooLong(f"{path} is larger than {most // 2**20} MB.")


def keyless(method: StorageMethod) -> str:
    """Why a bucket cannot be reached without keys, by this machine's role; empty where it can, or has keys."""
    if method.access_key and method.secret_key:
        return ""
    if not settings.STORAGE_ALLOW_ROLE:
        return "An access key is needed: this server lends its own role to nobody (STORAGE_ALLOW_ROLE)."
    if method.bucket == settings.S3_BUCKET:
        return "An access key is needed: this is the bucket of the server itself."
    return ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a bucket; `key` counts from the method's prefix."""

    key: str
    size: int


class _Pinned:
    """A connection to the address that the guard checked, under the name that was asked for."""

    _dns_host: str
    port: int

    def _new_conn(self) -> Any:
        name = self._dns_host
        try:
            self._dns_host = fetch.resolve(name, self.port)
            return super()._new_conn()  # type: ignore[misc]
        finally:
            self._dns_host = name


class _PinnedHTTP(_Pinned, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _PinnedHTTPS(_Pinned, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(AWSHTTPConnectionPool):
    ConnectionCls = _PinnedHTTP


class _HTTPSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _PinnedHTTPS


class S3:
    """A bucket, by a key of its own or by the machine's role."""

    def __init__(self, method: StorageMethod) -> None:
        self.method = method
        self._client: S3Client | None = None

    @property
    def client(self) -> S3Client:
        if reason := keyless(self.method):
            raise StorageError(reason)
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> S3Client:
        method = self.method
        client: S3Client = boto3.session.Session().client(
            "s3",
            region_name=method.region or None,
            endpoint_url=method.endpoint or None,
            aws_access_key_id=method.access_key or None,
            aws_secret_access_key=method.secret_key or None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if method.endpoint else "virtual"},
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": 3, "mode": "standard"},
                proxies={},
            ),
        )
        # botocore opens connections by itself: these are the guard's.
        manager = client._endpoint.http_session._manager  # type: ignore[attr-defined]
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return client

    def open(self, path: str, most: int | None = None) -> BinaryIO:
        with self._explained():
            answer = self.client.get_object(Bucket=self.method.bucket, Key=self._key(path))
            refuse_long(path, answer["ContentLength"], most)
            copy = tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY)  # noqa: SIM115
            shutil.copyfileobj(answer["Body"], copy, 1 << 20)
            copy.seek(0)
            return cast(BinaryIO, copy)

    def url(self, path: str) -> str | None:
        """Lives two leases: a page that renews its lease loads the image again long before."""
        with self._explained():
            return self.client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self.method.bucket, "Key": self._key(path)},
                ExpiresIn=2 * settings.LEASE_SECONDS,
            )

    def list(self, prefix: str = "", after: str = "") -> Iterator[list[Listed]]:
        """Pages of objects under a prefix, in the order of their keys, those after `after` alone."""
        start = self._key(after) if after else ""
        token: dict[str, Any] = {"StartAfter": start} if start else {}
        while True:
            with self._explained():
                page = self.client.list_objects_v2(
                    Bucket=self.method.bucket, Prefix=self._key(prefix), MaxKeys=KEYS_A_PAGE, **token
                )
            cut = len(self._key(""))
            yield [Listed(row["Key"][cut:], row["Size"]) for row in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def check(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "Reach the bucket", self._reach
        yield "List objects (needed only to import by prefix)", self._list_one
        yield "Read an object", self._read_one

    def _reach(self) -> None:
        try:
            with self._explained():
                answer = self.client.head_bucket(Bucket=self.method.bucket)
        except _Denied:
            return  # Whoever answers that is there; what is denied is what the other checks are for.
        there = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")
        if there and self.method.region and there != self.method.region:
            raise StorageError(f"The bucket is in the region {there}, not {self.method.region}.")

    def _list_one(self) -> None:
        with self._explained():
            self._first()

    def _first(self) -> str | None:
        page = self.client.list_objects_v2(Bucket=self.method.bucket, Prefix=self._key(""), MaxKeys=1)
        return next((row["Key"] for row in page.get("Contents", [])), None)

    def _read_one(self) -> None:
        """The first object that can be found; where listing is denied, one that surely does not exist."""
        try:
            with self._explained():
                key = self._first()
        except StorageError:
            key = None  # The check before this one has said why.
        try:
            with self._explained():
                name = key or self._key("winnow-checks-that-it-may-read")
                self.client.head_object(Bucket=self.method.bucket, Key=name)
        except _Missing:
            if key:
                raise

    def _key(self, path: str) -> str:
        prefix = self.method.prefix.strip("/")
        return f"{prefix}/{path}" if prefix else path

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except fetch.FetchError as error:
            raise StorageError(str(error)) from error
        except ClientError as error:
            raise self._explain(error) from error
        except BotoCoreError as error:
            # The guard's refusal comes wrapped in botocore's own.
            cause = getattr(error, "kwargs", {}).get("error")
            raise StorageError(str(cause) if isinstance(cause, fetch.FetchError) else f"{error}") from error

    def _explain(self, error: ClientError) -> StorageError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        there = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region", "")
        bucket, action = self.method.bucket, error.operation_name
        if code in {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"} or status == 301:
            where = f" It is in {there}." if there else ""
            return StorageError(f"The bucket {bucket} is not in the region {self.method.region or 'given'}.{where}")
        if code == "NoSuchBucket" or (code == "404" and action in {"HeadBucket", "ListObjectsV2"}):
            return StorageError(f"There is no bucket {bucket}.")
        if code in {"NoSuchKey", "404"}:
            return _Missing("There is no such object in the bucket.")
        if code == "InvalidAccessKeyId":
            return StorageError("The access key is not known to the storage.")
        if code == "SignatureDoesNotMatch":
            return StorageError("The secret key does not belong to the access key.")
        if code in {"AccessDenied", "403", "Forbidden"}:
            may = {"HeadBucket": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket"}.get(action, "s3:GetObject")
            return _Denied(f"Access denied: the key or role lacks {may} on {bucket}.")
        return StorageError(f"The storage answered {code}: {error.response.get('Error', {}).get('Message', '')}")


class _Denied(StorageError):
    """The keys are good for something else."""


class _Missing(StorageError):
    """The object is not there."""
