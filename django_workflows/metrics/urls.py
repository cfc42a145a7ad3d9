"""``path("metrics/", include("django_workflows.metrics.urls"))``."""

from __future__ import annotations

from django.urls import path

from .views import metrics

app_name = "django_workflows_metrics"
urlpatterns = [path("", metrics, name="metrics")]
