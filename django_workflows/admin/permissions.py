"""Who may do what: one permission per kind of change, and one for seeing payloads."""

from __future__ import annotations

from django.http import HttpRequest

START = "start_workflow"
CANCEL = "cancel_workflow"
RESTART = "restart_workflow"
SEND = "send_event"
CLEANUP = "cleanup_workflow"
PAYLOAD = "view_payload"


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the user has one of the permissions above."""
    return request.user.has_perm(f"django_workflows.{permission}")
