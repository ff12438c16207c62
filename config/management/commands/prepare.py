"""manage.py prepare: migrations, interrupted runs, static files, and on an empty database the first owner."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, transaction

from apps.accounts.models import User
from apps.accounts.services import create_organization
from apps.autolabel.demo import offer
from apps.common.runs import requeue_interrupted

# Any number will do, as long as every `prepare` on the same database takes the same.
LOCK = 7_294_100_001


class Command(BaseCommand):
    help = "Migrate, collect the static files, and make the first owner when there is no account yet."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        call_command("migrate", interactive=False, verbosity=0)
        requeue_interrupted()
        call_command("collectstatic", interactive=False, verbosity=0)
        password = secrets.token_urlsafe(12)
        owner = make_owner(settings.OWNER_EMAIL, password)
        if owner:
            self.stdout.write("\nThe first account (this password is shown only once):")
            self.stdout.write(f"  e-mail    {owner.email}\n  password  {password}\n")
            offer(owner)
        connection.close()


@transaction.atomic
def make_owner(email: str, password: str) -> User | None:
    """The owner of a first organization, for a database without any account."""
    if User.objects.exists():
        return None
    owner = User.objects.create_superuser(email, password, name="Owner")
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    create_organization(owner=owner, name="Demo")
    return owner
