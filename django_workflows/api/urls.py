"""The addresses of the API: ``path("api/", include("django_workflows.api.urls"))``."""

from __future__ import annotations

from django.urls import path

from .hooks import HookView
from .index import IndexView, SchemaView
from .router import WorkflowRouter
from .views import DefinitionViewSet, HealthView, WorkflowViewSet

app_name = "django_workflows_api"

router = WorkflowRouter()
router.register("definitions", DefinitionViewSet, basename="definition")
router.register("workflows", WorkflowViewSet, basename="workflow")

urlpatterns = [
    *router.urls,
    path("health/", HealthView.as_view({"get": "health"}), name="health"),
    path("hooks/<str:token>/", HookView.as_view({"post": "send"}), name="hook"),
    path("", IndexView.as_view({"get": "root"}), name="index"),
    path("schema/", SchemaView.as_view({"get": "schema_document"}), name="schema"),
]
