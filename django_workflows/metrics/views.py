"""The page that Prometheus scrapes: for whoever has the token, or may see workflows."""

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
    """Everything, as text or OpenMetrics; 403 for others than those with ``METRICS_TOKEN`` or ``view_workflow``."""
    if not (_has_token(request) or _may_look(request)):
        return HttpResponse(
            "METRICS_TOKEN as a bearer token, or the permission view_workflow, is needed.\n", status=403
        )
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type)


def _has_token(request: HttpRequest) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    return bool(token) and kind.lower() == "bearer" and constant_time_compare(given.strip(), token)


def _may_look(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.has_perm("django_workflows.view_workflow")
