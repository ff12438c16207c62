"""The autolabel app."""

from django.apps import AppConfig


class AutolabelConfig(AppConfig):
    name = "apps.autolabel"
    default_auto_field = "django.db.models.BigAutoField"
