"""Paths of the accounts app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.accounts.views import invitations, members, organizations, personal, settings

app_name = "accounts"

personal_urls = [
    path("theme/", personal.theme, name="theme"),
    path("resumed/", personal.resumed, name="resumed"),
    path("profile/", personal.profile, name="profile"),
    path("sessions/<int:session>/end/", personal.end_session, name="end-session"),
]

invitation_urls = [
    path("forget/", invitations.forget, name="forget-invitation"),
    path("<int:invitation>/join/", invitations.join, name="join"),
    path("<str:token>/", invitations.opened, name="invitation"),
    path("<str:token>/accept/", invitations.accept, name="accept-invitation"),
    path("<str:token>/switch/", invitations.switch, name="switch-account"),
]

member_urls = [
    path("", members.members, name="members"),
    path("rights/", members.rights, name="rights"),
    path("leave/", members.leave, name="leave"),
    path("invite/", invitations.invite, name="invite"),
    path("invitations/<int:invitation>/resend/", invitations.resend, name="resend-invitation"),
    path("invitations/<int:invitation>/revoke/", invitations.revoke, name="revoke-invitation"),
    path("<int:member>/role/", members.change_role, name="change-role"),
    path("<int:member>/remove/", members.remove, name="remove-member"),
    path("<int:member>/make-owner/", members.make_owner, name="make-owner"),
]

settings_urls = [
    path("", settings.settings, name="settings"),
    path("delete/", settings.delete, name="delete-organization"),
    path("audit/", settings.audit_trail, name="audit-trail"),
    path("keys/", settings.api_keys, name="api-keys"),
    path("keys/<int:key>/revoke/", settings.revoke_api_key, name="revoke-api-key"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("organizations/", organizations.organizations, name="organizations"),
    path("me/", include(personal_urls)),
    path("invitations/", include(invitation_urls)),
    path("o/<slug:org>/", organizations.organization, name="organization"),
    path("o/<slug:org>/members/", include(member_urls)),
    path("o/<slug:org>/settings/", include(settings_urls)),
]
