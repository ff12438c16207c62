"""A real S3 server on this machine, spoken to over HTTP: moto's, with its access control on demand."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "winnow-test"
REGION = "us-east-1"


class Bucket:
    """The server with one bucket in it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.root = self.client("s3", "root", "root")
        self.root.create_bucket(Bucket=BUCKET)

    def client(self, service: str, key: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def put(self, key: str, data: bytes) -> None:
        self.root.put_object(Bucket=BUCKET, Key=key, Body=data)

    def user(self, *actions: str) -> tuple[str, str]:
        """Key and secret of a user that may do these things alone."""
        iam = self.client("iam", "root", "root")
        name = f"user-{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside, the server checks keys, signatures and policies as AWS does."""
        self._free_requests(0)
        try:
            yield
        finally:
            self._free_requests(10**9)

    def _free_requests(self, count: int) -> None:
        self._moto("reset-auth", str(count).encode())

    def reset(self) -> None:
        self._moto("reset", b"")

    def _moto(self, path: str, body: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.endpoint}/moto-api/{path}", body, headers, method="POST")
        urllib.request.urlopen(request).read()


class ExpiringUrls:
    """Refuses pre-signed URLs past their time, as S3 does; moto does not look at it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        if "X-Amz-Expires" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if datetime.now(UTC) >= signed + timedelta(seconds=int(query["X-Amz-Expires"])):
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"]
        return self.app(environ, start_response)


@contextmanager
def serve() -> Iterator[str]:
    app = ExpiringUrls(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
