"""The page that Prometheus scrapes: for whoever has the token, or may see all workflows."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ..conf import settings
from .collector import WorkflowCollector

_registry = CollectorRegistry(auto_describe=False)
_registry.register(WorkflowCollector())


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, as text or OpenMetrics; 403 for others than those with ``METRICS_TOKEN`` or ``view_workflow``.

    Where ``API_VISIBLE`` narrows what exists for a user, that permission is not enough: all workflows are counted here.
    """
    if not (_has_token(request) or _may_look(request)):
        who = "the permission view_workflow" if settings.API_VISIBLE is None else "a superuser (API_VISIBLE is set)"
        return HttpResponse(f"METRICS_TOKEN as a bearer token, or {who}, is needed.\n", status=403)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type)


def _has_token(request: HttpRequest) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    return bool(token) and kind.lower() == "bearer" and constant_time_compare(given.strip(), token)


def _may_look(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is None or not user.is_active:
        return False
    return bool(user.is_superuser) or (settings.API_VISIBLE is None and user.has_perm("django_workflows.view_workflow"))
