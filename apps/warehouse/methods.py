"""Storage methods: make, try, give other keys, delete."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apps.accounts import audit
from apps.accounts.models import Organization, User
from apps.common import fetch
from apps.common.http import Conflict
from apps.warehouse.doors import Check, door, origin_of
from apps.warehouse.models import StorageMethod
from apps.warehouse.s3 import StorageError, keyless

Provider = StorageMethod.Provider
# Hosts of public items that the pages may load images from; one more and they would allow half the internet.
ORIGINS_LIMIT = 50


def create(
    *,
    organization: Organization,
    by: User | None,
    name: str,
    provider: str,
    bucket: str = "",
    region: str = "",
    endpoint: str = "",
    prefix: str = "",
    access_key: str = "",
    secret_key: str = "",
) -> StorageMethod:
    """A new S3 or public method; raises ValidationError."""
    method = StorageMethod(organization=organization, name=name.strip(), provider=provider, bucket=bucket.strip())
    method.region, method.endpoint, method.prefix = region.strip(), endpoint.strip(), prefix.strip().strip("/")
    method.access_key, method.secret_key = access_key.strip(), secret_key.strip()
    method.full_clean(exclude=["organization"], validate_constraints=False)
    if method.endpoint:
        try:
            fetch.check(method.endpoint)
        except fetch.FetchError as error:
            raise ValidationError({"endpoint": str(error)}) from error
    if provider == Provider.AWS_S3:
        if reason := keyless(method):
            raise ValidationError({"access_key": reason})
        method.origins = _origins(method)
    try:
        with transaction.atomic():
            method.save()
            audit.record(organization, by, "added storage", method.name, provider=provider, bucket=bucket)
    except IntegrityError as error:
        raise ValidationError({"name": "A storage method of this name is there already."}) from error
    return method


def _origins(method: StorageMethod) -> list[str]:
    """From where browsers will load; pre-signing needs keys, the address alone does not."""
    if method.endpoint:
        return [origin_of(method.endpoint)]
    host = f"{method.bucket}.s3.{method.region}.amazonaws.com" if method.region else f"{method.bucket}.s3.amazonaws.com"
    return [f"https://{host}"]


def validate(method: StorageMethod) -> list[Check]:
    """Try what the method is for; every check with what exactly failed."""
    results = []
    for what, attempt in door(method).check():
        try:
            attempt()
        except StorageError as error:
            results.append(Check(what, str(error)))
        else:
            results.append(Check(what))
    return results


def rotate(*, method: StorageMethod, access_key: str, secret_key: str, by: User | None) -> None:
    """Other keys from now on; the old ones are forgotten."""
    method.access_key, method.secret_key = access_key.strip(), secret_key.strip()
    with transaction.atomic():
        method.save(update_fields=["access_key", "secret_key"])
        audit.record(method.organization_id, by, "changed keys of storage", method.name)


def delete(*, method: StorageMethod, by: User | None) -> None:
    """Remove a method that no datapoint and no import uses."""
    try:
        with transaction.atomic():
            audit.record(method.organization_id, by, "deleted storage", method.name)
            method.delete()
    except ProtectedError as error:
        raise Conflict("Datapoints are stored there: delete or move them first.") from error


def remember_origins(method: StorageMethod, urls: set[str]) -> None:
    """Let the organization's pages load public items from the hosts they are on."""
    found = {origin_of(url) for url in urls} - {""}
    if found <= set(method.origins) or len(method.origins) >= ORIGINS_LIMIT:
        return
    with transaction.atomic():
        # As they are now: another import into the same storage may have added its own.
        known = StorageMethod.objects.select_for_update().values_list("origins", flat=True).get(pk=method.pk)
        method.origins = [*known, *sorted(found - set(known))][:ORIGINS_LIMIT]
        method.save(update_fields=["origins"])
