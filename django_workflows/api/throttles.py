"""How often a client may ask, by scope: the setting ``API_THROTTLE_RATES``."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from ..conf import settings


class WorkflowThrottle(SimpleRateThrottle):
    """Counts per user, or per address where there is none. A scope without a rate is not limited.

    Scopes: ``start``; ``act`` for everything else that changes; ``wait`` for long polls and streams; ``read``.
    """

    def __init__(self) -> None:
        # The scope is known with the request only.
        pass

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = _scope(request, view)
        self.rate = settings.API_THROTTLE_RATES.get(self.scope)
        if self.rate is None:
            return True
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str:
        user = request.user
        ident = user.pk if user.is_authenticated else self.get_ident(request)
        return f"django_workflows.throttle.{self.scope}.{ident}"


def _scope(request: Request, view: Any) -> str:
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        return "start" if view.action == "create" else "act"
    return "wait" if view.action == "stream" or "wait" in request.query_params else "read"
