"""Who may do what, and which workflows exist for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.db.models import QuerySet
from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..conf import settings
from ..models import Workflow
from ..store import workflows

VIEW, START = "django_workflows.view_workflow", "django_workflows.start_workflow"
PAYLOAD = "django_workflows.view_payload"

#: What an action of a view needs; one of several is enough. Of an action that is not here, and that its view does not
#: add in ``required_permissions``, nobody but a superuser has what it needs.
REQUIRED: dict[str, tuple[str, ...]] = {
    "list": (VIEW,),
    "retrieve": (VIEW,),
    "steps": (VIEW,),
    "events": (VIEW,),
    "timeline": (VIEW,),
    "stream": (VIEW,),
    "counts": (VIEW,),
    "root": (VIEW, START),
    "schema_document": (VIEW, START),
    "create": (START,),
    "cancel": ("django_workflows.cancel_workflow",),
    "restart": ("django_workflows.restart_workflow",),
    "retry": ("django_workflows.restart_workflow",),
    "send": ("django_workflows.send_event",),
    "destroy": ("django_workflows.cleanup_workflow",),
}


class WorkflowPermissions(BasePermission):
    """A model permission for each action: ``start_workflow`` to start, ``cancel_workflow`` to cancel, and so on.

    Who may act on a workflow may also see how it stands in the answer; its payloads are for ``view_payload`` only.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method == "OPTIONS" or view.action is None:
            # Metadata, or a method that the view does not have: open to whoever may do anything here.
            return any(self._allowed(request, view, action) for action in self._actions(view))
        return self._allowed(request, view, view.action)

    def _actions(self, view: Any) -> list[str]:
        return list(set((getattr(view, "action_map", None) or {}).values()))

    def _allowed(self, request: Request, view: Any, action: str) -> bool:
        own = getattr(view, "required_permissions", {})
        wanted = own.get(action, REQUIRED.get(action, ()))
        if not wanted:
            return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
        return any(request.user.has_perm(permission) for permission in wanted)


def permission_classes() -> list[type[BasePermission]]:
    """Those of the setting ``API_PERMISSION_CLASSES``."""
    return [each if callable(each) else import_string(each) for each in settings.API_PERMISSION_CLASSES]


def may_see_payloads(request: Request) -> bool:
    """Whether arguments, results and errors are shown to whoever asks."""
    return bool(request.user.has_perm(PAYLOAD))


def scope_of(request: Request) -> str:
    """Whose idempotency keys these are: each user has their own, and those without a login have theirs together."""
    user: Any = request.user
    if not getattr(user, "is_authenticated", False):
        return "anonymous"
    pk = getattr(user, "pk", None)
    return f"user {user if pk is None else pk}"


def visible(request: Request) -> QuerySet[Workflow]:
    """The workflows that exist for whoever asks, by the setting ``API_VISIBLE``; others answer 404."""
    everything = workflows.queryset()
    hook = settings.API_VISIBLE
    if hook is None:
        return everything
    found = cast(Callable[..., QuerySet[Workflow]], hook if callable(hook) else import_string(hook))
    return found(request, everything)
