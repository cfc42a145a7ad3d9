"""The views of the API, for its own addresses or a project's router."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from ..engine.health import check_health_aloud
from ..models import Workflow
from . import descriptions
from .acting import ActingView
from .definitions import definition_document, exposed, find
from .filters import ALWAYS, StrictFilterBackend, WorkflowFilter, check_parameters
from .healthy import health_document
from .openapi import WorkflowsSchema
from .renderers import EventStreamRenderer, SVGRenderer
from .requests import WorkflowsView
from .streaming import StreamingView


@extend_schema_view(**descriptions.WORKFLOWS)
class WorkflowViewSet(ActingView, StreamingView):
    """Workflows: start, follow, cancel, restart, send events, clean up."""

    queryset = Workflow.objects.all()
    lookup_value_regex = "[^/]+"
    filter_backends = [StrictFilterBackend]
    filterset_class = WorkflowFilter
    own_renderers = {"stream": EventStreamRenderer, "timeline": SVGRenderer}
    schema = WorkflowsSchema()
    http_method_names = ["get", "post", "delete", "head", "options"]


@extend_schema_view(**descriptions.DEFINITIONS)
class DefinitionViewSet(WorkflowsView):
    """What can be started."""

    lookup_value_regex = "[^/]+"
    lookup_field = "name"
    schema = WorkflowsSchema()
    http_method_names = ["get", "head", "options"]
    basename: str

    def list(self, request: Request) -> Response:
        """The workflows that can be started, by name."""
        check_parameters(request, ALWAYS)
        return Response([self._document(definition) for definition in exposed()])

    def retrieve(self, request: Request, name: str) -> Response:
        """One of them: what it does, and the JSON Schemas of its arguments, result and events."""
        check_parameters(request, ALWAYS)
        return Response(self._document(find(name)))

    def _document(self, definition: Any) -> dict[str, Any]:
        return definition_document(
            definition,
            self.links({"self": (f"{self.basename}-detail", definition.name), "start": ("workflow-list",)}),
        )

    required_permissions = dict.fromkeys(
        ("list", "retrieve"), ("django_workflows.start_workflow", "django_workflows.view_workflow")
    )


class HealthView(WorkflowsView):
    """How it stands with the whole."""

    schema = WorkflowsSchema()
    http_method_names = ["get", "head", "options"]
    required_permissions = {"health": ("django_workflows.view_workflow",)}

    @descriptions.HEALTH
    def health(self, request: Request) -> Response:
        """Database, workers, queues: 200 while work goes on, 503 while it does not."""
        check_parameters(request, ALWAYS)
        health = check_health_aloud()
        return Response(health_document(health), status=200 if health.ok else 503)
