"""What every view of the API has in common: who is let in, what is read and written, and how errors look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DataError, transaction
from django.urls import NoReverseMatch, reverse
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from ..models import Workflow
from . import problems
from .documents import View
from .parsers import JSONBodyParser
from .permissions import may_see_payloads, permission_classes
from .renderers import PROBLEM_TYPE, PlainRenderer, renderers
from .throttles import WorkflowThrottle


class WorkflowsView(GenericViewSet[Any]):
    """Closed by default; JSON in, JSON or HTML out, errors as problems; no transaction around a request.

    ``required_permissions`` of a subclass adds to, or replaces, what actions need (see ``permissions.REQUIRED``).
    """

    parser_classes: Any = [JSONBodyParser]
    #: Set to classes of REST framework's kind, it replaces the setting ``API_PERMISSION_CLASSES`` for this view.
    permission_classes: Any = None
    throttle_classes: Any = [WorkflowThrottle]
    filter_backends: Any = []
    queryset: Any = Workflow.objects.none()  # the browsable API asks every view for one
    pagination_class: Any = None
    required_permissions: dict[str, tuple[str, ...]] = {}
    #: Media types that an action writes by itself.
    own_renderers: dict[str, type[BaseRenderer]] = {}

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        # A long poll must not hold a transaction, and every change makes its own.
        return transaction.non_atomic_requests(super().as_view(actions, **initkwargs))

    def perform_authentication(self, request: Request) -> None:
        """As REST framework's; a name that no database could hold is nobody's."""
        try:
            super().perform_authentication(request)
        except (ValueError, DataError):
            request.user = AnonymousUser()
            raise AuthenticationFailed from None

    def get_permissions(self) -> list[BasePermission]:
        wanted = permission_classes() if self.permission_classes is None else self.permission_classes
        return [permission() for permission in wanted]

    def get_throttles(self) -> list[BaseThrottle]:
        return [throttle() for throttle in self.throttle_classes]

    def get_renderers(self) -> list[BaseRenderer]:
        own = self.own_renderers.get(self.action or "")
        return [each() for each in ([own] if own else []) + renderers()]

    def get_exception_handler(self) -> Any:
        return problems.handle

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response) and response.exception and response.accepted_renderer.format != "api":
            response.accepted_renderer, response.content_type = PlainRenderer(), PROBLEM_TYPE
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    @property
    def view_for_user(self) -> View:
        """How much whoever asks may see."""
        return View(payloads=may_see_payloads(self.request))

    def link(self, name: str, *args: Any) -> str | None:
        """The absolute address of a view that is mounted beside this one; ``None`` if it is not."""
        match = self.request.resolver_match
        namespace = [match.namespace] if match is not None and match.namespace else []
        try:
            path = reverse(":".join([*namespace, name]), args=args)
        except NoReverseMatch:
            return None
        return self.request.build_absolute_uri(path)

    def links(self, names: Mapping[str, tuple[Any, ...]]) -> dict[str, str]:
        """Addresses by relation, of ``name, *args`` each; those that are not mounted are left out."""
        found = ((relation, self.link(*name)) for relation, name in names.items())
        return {relation: address for relation, address in found if address is not None}
