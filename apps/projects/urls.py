"""Paths of the projects app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.projects import creation, versions, views

app_name = "projects"

_project: list[URLPattern | URLResolver] = [
    path("", views.project, name="project"),
    path("stages/", views.stages, name="stages"),
    path("stages/<str:stage>/configure/", views.configure_stage, name="configure-stage"),
    path("settings/", views.settings, name="settings"),
    path("taxonomy/", versions.versions, name="versions"),
    path("add-datapoints/", views.add_datapoints, name="add-datapoints"),
    path("archive/", views.archive, name="archive"),
    path("unarchive/", views.unarchive, name="unarchive"),
    path("delete/", views.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/", views.projects, name="list"),
    path("projects/new/", creation.create, name="create"),
    path("projects/new/preview/", creation.preview, name="preview"),
    path("projects/new/build/", creation.build, name="build"),
    path("projects/new/from/", creation.from_blueprint, name="from-blueprint"),
    path("projects/<int:pk>/", include(_project)),
]
