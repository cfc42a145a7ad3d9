"""Who may do what: one permission per kind of change, and one for seeing payloads."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from ..engine.sketch import Visible
from ..models import Workflow

START = "start_workflow"
CANCEL = "cancel_workflow"
RESTART = "restart_workflow"
SEND = "send_event"
CLEANUP = "cleanup_workflow"
PAYLOAD = "view_payload"


def narrowed(admin: Any, request: HttpRequest) -> QuerySet[Workflow] | None:
    """The workflows that exist for the user, where a subclass of the admin has a ``get_queryset`` of its own."""
    return admin.get_queryset(request) if admin.is_narrowed else None


def visible_of(admin: Any, request: HttpRequest) -> Visible | None:
    """Which of some workflows exist for the user; ``None`` where all do."""
    if not admin.is_narrowed:
        return None
    rows = admin.get_queryset(request)
    return lambda ids: set(rows.filter(pk__in=list(ids)).values_list("pk", flat=True))


def may_view(request: HttpRequest) -> bool:
    """Whether the user may see workflows at all."""
    return may(request, "view_workflow") or may(request, "change_workflow")


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the user has one of the permissions above."""
    return request.user.has_perm(f"django_workflows.{permission}")
