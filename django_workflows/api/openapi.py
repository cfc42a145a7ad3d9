"""The OpenAPI 3.1 document: what each address takes and answers, for drf-spectacular."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any

from django.urls import include, path
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import patched_settings

from .inputs import component_name
from .schema_parts import Shape

OAS_VERSION = "3.1.0"


class WorkflowsSchema(AutoSchema):
    """drf-spectacular's view inspector, whatever DEFAULT_SCHEMA_CLASS is."""


class ShapeExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Takes the schema of a ``Shape`` as it is."""

    target_class = Shape
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.name)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        def register(name: str, schema: dict[str, Any]) -> dict[str, Any]:
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name=component_name(name), type=ResolvedComponent.SCHEMA, schema=schema, object=name
            )
            auto_schema.registry.register_on_missing(component)
            return dict(component.ref)

        if hasattr(self.target, "unions"):
            return self.target.unions(register)  # type: ignore[no-any-return]
        return self.target.build(lambda shape: auto_schema.resolve_serializer(shape, direction).ref)  # type: ignore[no-any-return]


@lru_cache
def document(prefix: str) -> dict[str, Any]:
    """The document of this package's own addresses, mounted at ``prefix``."""
    from .urls import urlpatterns

    mounted = [path(prefix.strip("/") + "/" if prefix.strip("/") else "", include(urlpatterns))]
    settings = {
        "OAS_VERSION": OAS_VERSION,
        "TITLE": "Workflows",
        "DESCRIPTION": "Start, follow and steer durable workflows.",
        "VERSION": version("django-durable-workflows"),
        "SCHEMA_PATH_PREFIX": "/" + prefix.strip("/"),
        "POSTPROCESSING_HOOKS": [],
        "ENUM_NAME_OVERRIDES": {},
    }
    with patched_settings(settings):
        generator: Any = SchemaGenerator(patterns=mounted)  # type: ignore[no-untyped-call]
        return dict(generator.get_schema(public=True))
