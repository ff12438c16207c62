"""Paths of the taxonomies app."""

from django.urls import URLPattern, URLResolver, path

from apps.taxonomies import views

app_name = "taxonomies"
urlpatterns: list[URLPattern | URLResolver] = [
    path("taxonomies/", views.taxonomies, name="list"),
    path("taxonomies/new/", views.new, name="new"),
    path("taxonomies/preview/", views.preview, name="preview"),
    path("taxonomies/<int:pk>/", views.taxonomy, name="taxonomy"),
    path("taxonomies/<int:pk>/edit/", views.edit, name="edit"),
    path("taxonomies/<int:pk>/export/", views.export, name="export"),
    path("taxonomies/<int:pk>/delete/", views.delete, name="delete"),
]
