"""Who: users, organizations, memberships, invitations, API keys and the audit trail."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Secrets here are 256 random bits: a plain hash is enough, no salt or stretching needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class Theme(models.TextChoices):
    AUTO = "auto", "System"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    """A person, known by e-mail."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=100, blank=True)
    theme = models.CharField(
        max_length=6, choices=[("auto", "System"), ("light", "Light"), ("dark", "Dark")], default="auto"
    )
    preferences = models.JSONField(default=dict, blank=True)

    objects = UserManager()  # type: ignore[assignment, misc]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    def __str__(self) -> str:
        return self.name or self.email


class Organization(models.Model):
    """The container of everything."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=60, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleting_at = models.DateTimeField(null=True, blank=True, help_text="Set once deletion began: nobody gets in.")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "OWNER", "Owner"
    ADMIN = "ADMIN", "Admin"
    LABELER = "LABELER", "Labeler"


class MembershipQuerySet(models.QuerySet["Membership"]):
    def of(self, user: Any) -> MembershipQuerySet:
        """A person's memberships, by the name of the organization."""
        mine = self.filter(user=user.pk, organization__deleting_at=None)
        return mine.select_related("organization").order_by("organization__name", "pk")

    def with_sizes(self) -> MembershipQuerySet:
        """Each with the number of members of its organization."""
        everybody = Membership.objects.filter(organization=models.OuterRef("organization")).order_by()
        counted = everybody.values("organization").annotate(n=models.Count("pk")).values("n")
        return self.annotate(members=models.Subquery(counted))


class Membership(models.Model):
    """A user's role in an organization; exactly one OWNER."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["organization"], condition=models.Q(role="OWNER"), name="one_owner"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} ({self.role})"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, at: datetime | None = None) -> InvitationQuerySet:
        """Those that can still be accepted."""
        return self.pending().filter(expires_at__gt=at or timezone.now())

    def pending(self) -> InvitationQuerySet:
        """Neither accepted nor revoked; perhaps expired."""
        return self.filter(accepted_at=None, revoked_at=None, organization__deleting_at=None)


class Invitation(models.Model):
    """A role offered to an address; only the hash of its token is stored."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=8, choices=[(Role.ADMIN, "Admin"), (Role.LABELER, "Labeler")])
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_pending_invitation",
            ),
            models.CheckConstraint(condition=models.Q(role__in=["ADMIN", "LABELER"]), name="invitation_role"),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None), name="invitation_one_end"
            ),
        ]
        indexes = [models.Index(Lower("email"), name="invitation_email")]

    def __str__(self) -> str:
        return f"{self.email} to {self.organization} ({self.role})"

    def is_expired(self, at: datetime | None = None) -> bool:
        return self.expires_at <= (at or timezone.now())


class InvitationMail(models.Model):
    """A link that somebody mailed within the last hour: it counts, whatever becomes of invitation and organization."""

    sender = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["sender", "at"], name="invitation_mail_of_sender")]

    def __str__(self) -> str:
        return f"{self.sender}, {self.at}"


class ApiKey(models.Model):
    """A user's key within an organization; only its hash is stored."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=8)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """Who did what to what in an organization. Append-only: the database refuses changes."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="audit_events")
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    verb = models.CharField(max_length=40)
    target = models.CharField(max_length=200)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_of_organization"),
            models.Index(fields=["actor", "-at"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"
