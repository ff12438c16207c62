"""The warehouse app."""

from django.apps import AppConfig


class WarehouseConfig(AppConfig):
    name = "apps.warehouse"
    default_auto_field = "django.db.models.BigAutoField"
