"""Paths of the taxonomies app."""

from django.urls import URLPattern, URLResolver

app_name = "taxonomies"
urlpatterns: list[URLPattern | URLResolver] = []
