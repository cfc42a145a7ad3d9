"""The addresses of the API: ``path("api/", include("django_workflows.api.urls"))``."""

from __future__ import annotations

from django.urls import path, register_converter

from .hooks import AnythingHidden, HiddenToken, HookView, OtherHookView
from .index import IndexView, SchemaView
from .router import WorkflowRouter
from .views import DefinitionViewSet, HealthView, WorkflowViewSet

register_converter(HiddenToken, "workflow_token")
register_converter(AnythingHidden, "workflow_token_and_more")

app_name = "django_workflows_api"

router = WorkflowRouter()
router.register("definitions", DefinitionViewSet, basename="definition")
router.register("workflows", WorkflowViewSet, basename="workflow")

urlpatterns = [
    *router.urls,
    path("health/", HealthView.as_view({"get": "health"}), name="health"),
    path("hooks/", OtherHookView.as_view({"post": "send"}), name="hook"),
    path("hooks/<workflow_token:token>/", HookView.as_view({"post": "send"}), name="hook"),
    # Without a slash, or with more behind it, Django's own answer would log the token.
    path("hooks/<workflow_token_and_more:token>", OtherHookView.as_view({"post": "send"}), name="hook"),
    path("", IndexView.as_view({"get": "root"}), name="index"),
    path("schema/", SchemaView.as_view({"get": "schema_document"}), name="schema"),
]
