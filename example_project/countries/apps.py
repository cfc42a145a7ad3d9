"""Registers the countries app."""

from django.apps import AppConfig


class CountriesConfig(AppConfig):
    name = "example_project.countries"
    label = "countries"
    default_auto_field = "django.db.models.BigAutoField"
