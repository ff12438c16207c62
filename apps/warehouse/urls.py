"""Paths of the warehouse app."""

from django.urls import URLPattern, URLResolver, path

from apps.warehouse import views

app_name = "warehouse"
urlpatterns: list[URLPattern | URLResolver] = [path("warehouse/datasets/", views.datasets, name="datasets")]
