"""The REST API, on Django REST framework: needs the extra ``api``.

``path("api/", include("django_workflows.api.urls"))`` mounts all of it, closed to all but users with permissions. Or
register ``WorkflowViewSet`` in a router of your own.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DefinitionViewSet", "WorkflowViewSet"]


def __getattr__(name: str) -> Any:
    # Not at once: a project's REST_FRAMEWORK setting may name something of this package before the models are loaded.
    if name in __all__:
        from . import views

        return getattr(views, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
