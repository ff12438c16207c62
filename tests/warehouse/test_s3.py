"""S3 over HTTP: what works, and what exactly is said when it does not."""

import urllib.error
import urllib.parse
import urllib.request

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.common.http import Conflict
from apps.warehouse import methods
from apps.warehouse.doors import door
from apps.warehouse.models import Datapoint, StorageMethod
from apps.warehouse.s3 import S3, StorageError
from apps.warehouse.storages import open_bytes
from tests.warehouse.bucket import BUCKET, REGION, Bucket
from tests.warehouse.factory import make_dataset, make_picture


def errors(method: StorageMethod) -> list[str]:
    return [check.error for check in methods.validate(method)]


def test_a_method_that_works_passes_every_check(bucket: Bucket, s3_method: StorageMethod) -> None:
    bucket.put("a.jpg", make_picture())
    with bucket.guarded():
        assert errors(s3_method) == ["", "", ""]
        assert door(s3_method).open("a.jpg").read() == make_picture()


def test_a_wrong_key_and_a_wrong_secret_are_told_apart(bucket: Bucket, s3_method: StorageMethod) -> None:
    secret = s3_method.secret_key
    with bucket.guarded():
        s3_method.access_key = "AKIAUNKNOWNUNKNOWN00"
        assert "access key is not known" in errors(s3_method)[1]
        s3_method.refresh_from_db()
        s3_method.secret_key = secret[::-1]
        assert "secret key does not belong" in errors(s3_method)[1]


def test_a_missing_bucket_is_named(bucket: Bucket, s3_method: StorageMethod) -> None:
    s3_method.bucket = "not-there"
    assert errors(s3_method)[0] == "There is no bucket not-there."


def test_a_wrong_region_names_the_right_one(bucket: Bucket, s3_method: StorageMethod) -> None:
    s3_method.region = "eu-west-1"
    assert errors(s3_method)[0] == "The bucket is in the region us-east-1, not eu-west-1."


def test_denied_listing_leaves_reading_in_order(bucket: Bucket, s3_method: StorageMethod) -> None:
    bucket.put("a.jpg", make_picture())
    s3_method.access_key, s3_method.secret_key = bucket.user("s3:GetObject")
    with bucket.guarded():
        assert "lacks s3:ListBucket" in errors(s3_method)[1]
        assert door(s3_method).open("a.jpg").read() == make_picture()
        with pytest.raises(StorageError, match="lacks s3:ListBucket"):
            list(S3(s3_method).list())


def test_denied_reading_is_told(bucket: Bucket, s3_method: StorageMethod) -> None:
    bucket.put("a.jpg", make_picture())
    s3_method.access_key, s3_method.secret_key = bucket.user("s3:ListBucket")
    with bucket.guarded():
        assert "lacks s3:GetObject" in errors(s3_method)[2]


def test_an_endpoint_on_a_private_address_is_refused(
    bucket: Bucket, s3_method: StorageMethod, organization: Organization, settings
) -> None:
    settings.STORAGE_ALLOW_PRIVATE = False
    with pytest.raises(ValidationError, match="inside a private network"):
        methods.create(
            organization=organization, by=None, name="Inside", provider="AWS_S3", bucket="b", endpoint=bucket.endpoint
        )
    # A method made before, or a name that has changed its mind since, is refused when it is used.
    assert all("inside a private network" in error for error in errors(s3_method))
    with pytest.raises(StorageError, match="inside a private network"):
        door(s3_method).open("a.jpg")


def test_a_pre_signed_url_loads_without_keys_and_outlives_a_lease(
    bucket: Bucket, s3_method: StorageMethod, settings
) -> None:
    bucket.put("sub dir/ä.jpg", make_picture())
    url = door(s3_method).url("sub dir/ä.jpg")
    assert f"X-Amz-Expires={2 * settings.LEASE_SECONDS}" in url and s3_method.secret_key not in url
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        assert answer.read() == make_picture()


def test_an_expired_url_is_signed_again_when_the_page_asks(
    bucket: Bucket, s3_method: StorageMethod, organization: Organization, owner: User, client_of, settings
) -> None:
    bucket.put("a.jpg", make_picture())
    point = Datapoint.objects.create(dataset=make_dataset(organization), storage=s3_method, name="a", path="a.jpg")
    page = reverse("warehouse:datapoint-image", args=["acme", point.uid])
    settings.LEASE_SECONDS = 0
    expired = client_of(owner).get(page)["Location"]
    settings.LEASE_SECONDS = 1800
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(expired)  # noqa: S310
    again = client_of(owner).get(page)
    assert again.status_code == 302 and again["Cache-Control"].startswith("private")
    with urllib.request.urlopen(again["Location"]) as answer:  # noqa: S310
        assert answer.read() == make_picture()
    assert open_bytes(point) == make_picture()


def test_a_missing_object_is_told(bucket: Bucket, s3_method: StorageMethod) -> None:
    with pytest.raises(StorageError, match="no such object"):
        door(s3_method).open("gone.jpg")


def test_listing_begins_after_a_key_and_stays_under_the_prefix(bucket: Bucket, s3_method: StorageMethod) -> None:
    for name in ["other/x.jpg", *(f"root/images/{n:02}.jpg" for n in range(12))]:
        bucket.put(name, b"x")
    s3_method.prefix = "root"
    pages = list(S3(s3_method).list("images/", after="images/07.jpg"))
    assert [row.key for page in pages for row in page] == [f"images/{n:02}.jpg" for n in range(8, 12)]


def test_keys_are_encrypted_and_never_shown(bucket: Bucket, s3_method: StorageMethod, owner: User, client_of) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_key, secret_key FROM warehouse_storagemethod WHERE id = %s", [s3_method.pk])
        stored = cursor.fetchone()
    assert s3_method.secret_key not in stored and s3_method.access_key not in stored
    page = client_of(owner).get(reverse("warehouse:storages", args=["acme"])).content.decode()
    assert s3_method.secret_key not in page and s3_method.access_key not in page


def test_keys_are_rotated(bucket: Bucket, s3_method: StorageMethod, owner: User, client_of) -> None:
    url = reverse("warehouse:rotate-storage", args=["acme", s3_method.pk])
    client_of(owner).post(url, {"access_key": "new", "secret_key": "secret"})
    client_of(owner).post(url, {"access_key": "newer", "secret_key": ""})
    s3_method.refresh_from_db()
    assert (s3_method.access_key, s3_method.secret_key) == ("new", "secret")


def test_a_method_in_use_is_not_deleted(s3_method: StorageMethod, organization: Organization) -> None:
    point = Datapoint.objects.create(dataset=make_dataset(organization), storage=s3_method, name="a", path="a.jpg")
    with pytest.raises(Conflict, match="stored there"):
        methods.delete(method=s3_method, by=None)
    point.delete()
    methods.delete(method=s3_method, by=None)
    assert not StorageMethod.objects.filter(pk=s3_method.pk).exists()


def test_pages_allow_images_from_the_storages_of_their_organization_alone(
    bucket: Bucket, s3_method: StorageMethod, owner: User, stranger: User, client_of
) -> None:
    page = client_of(owner).get(reverse("warehouse:datasets", args=["acme"]))
    assert f"img-src 'self' blob: data: {bucket.endpoint}" in page["Content-Security-Policy"]
    other = client_of(stranger).get(reverse("warehouse:datasets", args=["other"]))
    assert bucket.endpoint not in other["Content-Security-Policy"]


def test_storage_pages_are_closed_to_strangers_and_labelers(
    s3_method: StorageMethod, owner: User, stranger: User, labeler: User, client_of
) -> None:
    names = ["validate-storage", "rotate-storage", "delete-storage"]
    posts = [reverse(f"warehouse:{name}", args=["acme", s3_method.pk]) for name in names]
    pages = [reverse(f"warehouse:{name}", args=["acme"]) for name in ["storages", "guide"]]
    for who, status in [(stranger, 404), (labeler, 403)]:
        assert {post: client_of(who).post(post).status_code for post in posts} == dict.fromkeys(posts, status)
        assert {page: client_of(who).get(page).status_code for page in pages} == dict.fromkeys(pages, status)
    own = [reverse(f"warehouse:{name}", args=["other", s3_method.pk]) for name in names]
    assert {post: client_of(stranger).post(post).status_code for post in own} == dict.fromkeys(own, 404)
    assert {page: client_of(owner).get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


def test_a_method_is_added_and_validated_in_the_page(bucket: Bucket, owner: User, client_of) -> None:
    client, url = client_of(owner), reverse("warehouse:storages", args=["acme"])
    half = client.post(url, {"provider": "AWS_S3", "name": "S3", "bucket": "b", "access_key": "x"})
    assert half.status_code == 422 and b"belong together" in half.content
    keys = {"access_key": "k", "secret_key": "s"}
    client.post(url, {"provider": "AWS_S3", "name": "S3", "bucket": "gone", "endpoint": bucket.endpoint, **keys})
    method = StorageMethod.objects.get(name="S3")
    shown = client.post(reverse("warehouse:validate-storage", args=["acme", method.pk]))
    assert b"There is no bucket gone." in shown.content
    client.post(url, {"provider": "PUBLIC", "name": "Web"})
    assert StorageMethod.objects.filter(provider="PUBLIC", name="Web").exists()


def test_a_bucket_without_keys_is_refused_unless_the_operator_lends_the_machine_s_role(
    bucket: Bucket, organization: Organization, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = bucket.user("s3:GetObject", "s3:ListBucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    bucket.put("a.jpg", make_picture())

    def create(name: str) -> StorageMethod:
        where = {"bucket": BUCKET, "region": REGION, "endpoint": bucket.endpoint}
        return methods.create(organization=organization, by=None, name=name, provider="AWS_S3", **where)

    with pytest.raises(ValidationError, match="lends its own role to nobody"):
        create("No")
    settings.STORAGE_ALLOW_ROLE = True
    method = create("Role")
    assert door(method).open("a.jpg").read() == make_picture()
    settings.S3_BUCKET = BUCKET
    with pytest.raises(ValidationError, match="bucket of the server itself"):
        create("Own")
    settings.STORAGE_ALLOW_ROLE = False
    for attempt in (lambda: door(method).url("a.jpg"), lambda: door(method).open("a.jpg")):
        with pytest.raises(StorageError, match="lends its own role"):
            attempt()


def test_rows_of_one_method_share_its_client_until_its_keys_change(bucket: Bucket, s3_method: StorageMethod) -> None:
    again = StorageMethod.objects.get(pk=s3_method.pk)
    assert door(again) is door(s3_method)
    before = door(s3_method)
    key, secret = bucket.user("s3:GetObject", "s3:ListBucket")
    methods.rotate(method=s3_method, access_key=key, secret_key=secret, by=None)
    assert door(s3_method) is not before
    assert f"Credential={key}" in urllib.parse.unquote(door(s3_method).url("a.jpg"))
    assert f"Credential={key}" not in urllib.parse.unquote(before.url("a.jpg"))
