"""The address to which somebody who has nothing but a token sends an event: a webhook, or a link in a mail."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from ..engine.event_tokens import send_by_token
from ..exceptions import InvalidArguments
from .descriptions import HOOK
from .filters import ALWAYS, check_parameters
from .openapi import WorkflowsSchema
from .problems import BadInput
from .requests import WorkflowsView
from .serializers import TokenEventSerializer


class TokenIsEnough(BasePermission):
    """The token in the address says who may do what: send one event, once, for a while."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class HookView(WorkflowsView):
    """Sends the event that a token was made for. Nobody has to log in."""

    authentication_classes: Any = []  # a session that happens to be there must not ask for a CSRF token
    permission_classes: Any = [TokenIsEnough]
    http_method_names = ["post"]
    schema = WorkflowsSchema()

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        return TokenEventSerializer

    @HOOK
    def send(self, request: Request, token: str) -> Response:
        """Send an event by its token, which is used up by it. 404 says no more than that the token is not valid."""
        check_parameters(request, ALWAYS)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        try:
            event_id = send_by_token(token, data.get("value"), error=data.get("error"))
        except InvalidArguments as error:
            raise BadInput.of_arguments(error, ("value",), request.data, 422) from None
        return Response({"id": str(event_id)}, status=202)
