"""Where a reader begins: the addresses there are, and their OpenAPI document."""

from __future__ import annotations

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .filters import ALWAYS, check_parameters
from .openapi import document
from .renderers import PlainRenderer
from .requests import WorkflowsView


class IndexView(WorkflowsView):
    """The workflows API."""

    http_method_names = ["get", "head", "options"]
    schema = None

    def root(self, request: Request) -> Response:
        """The addresses there are."""
        check_parameters(request, ALWAYS)
        names = {"definitions": "definition-list", "workflows": "workflow-list", "counts": "workflow-counts"}
        names |= {"health": "health", "schema": "schema"}
        return Response(self.links({relation: (name,) for relation, name in names.items()}))


class SchemaView(WorkflowsView):
    """The OpenAPI document of this API."""

    http_method_names = ["get", "head", "options"]
    schema = None

    def get_renderers(self) -> list[BaseRenderer]:
        return [PlainRenderer(), OpenApiJsonRenderer(), OpenApiYamlRenderer()]

    def schema_document(self, request: Request) -> Response:
        """OpenAPI 3.1, as JSON or YAML."""
        check_parameters(request, ALWAYS)
        return Response(document(request.path.removesuffix("schema/")))
