"""Paths of the common app, all below an organization."""

from django.urls import URLPattern, URLResolver, path

from apps.common import views

app_name = "common"
urlpatterns: list[URLPattern | URLResolver] = [
    path("runs/", views.index, name="runs"),
    path("runs/<uuid:uid>/", views.run, name="run"),
    path("runs/<uuid:uid>/cancel/", views.cancel, name="cancel-run"),
    path("runs/<uuid:uid>/retry/", views.retry, name="retry-run"),
]
