"""Registers the weather app."""

from django.apps import AppConfig


class WeatherConfig(AppConfig):
    name = "example_project.weather"
    label = "weather"
    default_auto_field = "django.db.models.BigAutoField"
