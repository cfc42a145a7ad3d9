"""Registers the series app."""

from django.apps import AppConfig


class SeriesConfig(AppConfig):
    name = "example_project.series"
    label = "series"
    default_auto_field = "django.db.models.BigAutoField"
