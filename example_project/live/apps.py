"""Registers the app that shows any workflow's state and keeps it up to date."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "example_project.live"
    label = "live"
