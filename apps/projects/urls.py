"""Paths of the projects app."""

from django.urls import URLPattern, URLResolver, path

from apps.projects import views

app_name = "projects"
urlpatterns: list[URLPattern | URLResolver] = [path("projects/", views.projects, name="list")]
