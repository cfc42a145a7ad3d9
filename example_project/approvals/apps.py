"""Registers the approvals app."""

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "example_project.approvals"
    label = "approvals"
    default_auto_field = "django.db.models.BigAutoField"
