"""The app's name."""

from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "benchmarks.flows"
    label = "benchmarks"
    default_auto_field = "django.db.models.BigAutoField"
