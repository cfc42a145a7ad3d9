"""The addresses of the API: ``path("api/", include("django_workflows.api.urls"))``."""

from __future__ import annotations

from django.urls import path

from .index import IndexView, SchemaView
from .router import WorkflowRouter
from .views import DefinitionViewSet, HealthViewSet, WorkflowViewSet

app_name = "django_workflows_api"

router = WorkflowRouter()
router.register("definitions", DefinitionViewSet, basename="definition")
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("health", HealthViewSet, basename="health")

urlpatterns = [
    *router.urls,
    path("", IndexView.as_view({"get": "root"}), name="index"),
    path("schema/", SchemaView.as_view({"get": "schema_document"}), name="schema"),
]
