"""Registers the onboarding app."""

from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    name = "example_project.onboarding"
    label = "onboarding"
    default_auto_field = "django.db.models.BigAutoField"
