"""Registers the app whose pages use the REST API."""

from django.apps import AppConfig


class FollowConfig(AppConfig):
    name = "example_project.follow"
    label = "follow"
