"""Paths of the labeling app."""

from django.urls import URLPattern, URLResolver

from apps.labeling.workspace_urls import urlpatterns as workspace_urlpatterns

app_name = "labeling"
urlpatterns: list[URLPattern | URLResolver] = [*workspace_urlpatterns]
