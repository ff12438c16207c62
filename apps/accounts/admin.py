"""Users, organizations and what hangs on them in the admin. Staff logs in through allauth, with its limits."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import HttpRequest

from apps.accounts.models import ApiKey, AuditEvent, Invitation, InvitationMail, Membership, Organization, User
from apps.common.admin import ReadOnly

admin.site.site_header = admin.site.site_title = "Winnow"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


class MembershipInline(ReadOnly, admin.TabularInline[Membership, Organization]):
    model = Membership
    fields = readonly_fields = ("user", "role", "created_at", "last_seen_at")
    extra = 0


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Passwords are reset by the person, by mail; people who left are made inactive, so that history keeps them."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "theme", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    readonly_fields = ("email", "last_login", "date_joined")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(Organization)
class OrganizationAdmin(ReadOnly, admin.ModelAdmin[Organization]):
    list_display = ("name", "slug", "created_at", "deleting_at")
    search_fields = ("name", "slug")
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(ReadOnly, admin.ModelAdmin[Membership]):
    list_display = ("user", "organization", "role", "created_at", "last_seen_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__name")


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, admin.ModelAdmin[Invitation]):
    list_display = ("email", "organization", "role", "sent_at", "expires_at", "accepted_at", "revoked_at")
    list_select_related = ("organization",)
    search_fields = ("email", "organization__name")
    exclude = ("digest",)


@admin.register(InvitationMail)
class InvitationMailAdmin(ReadOnly, admin.ModelAdmin[InvitationMail]):
    list_display = ("sender", "at")
    list_select_related = ("sender",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, admin.ModelAdmin[ApiKey]):
    list_display = ("name", "prefix", "user", "organization", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user", "organization")
    search_fields = ("name", "user__email", "organization__name")
    exclude = ("digest",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, admin.ModelAdmin[AuditEvent]):
    list_display = ("at", "organization", "actor", "verb", "target")
    list_filter = ("verb",)
    list_select_related = ("organization", "actor")
    search_fields = ("target", "actor__email")
    show_full_result_count = False
