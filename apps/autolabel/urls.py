"""Paths of the autolabel app."""

from django.urls import URLPattern, URLResolver

app_name = "autolabel"
urlpatterns: list[URLPattern | URLResolver] = []
