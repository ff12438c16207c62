"""The taxonomies app."""

from django.apps import AppConfig


class TaxonomiesConfig(AppConfig):
    name = "apps.taxonomies"
    default_auto_field = "django.db.models.BigAutoField"
