"""Paths of the accounts app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.accounts.views import members, organizations, personal

app_name = "accounts"

personal_urls = [
    path("theme/", personal.theme, name="theme"),
    path("resumed/", personal.resumed, name="resumed"),
    path("profile/", personal.profile, name="profile"),
]

member_urls = [
    path("", members.members, name="members"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("organizations/", organizations.organizations, name="organizations"),
    path("me/", include(personal_urls)),
    path("o/<slug:org>/", organizations.organization, name="organization"),
    path("o/<slug:org>/members/", include(member_urls)),
]
