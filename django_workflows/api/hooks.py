"""The address to which somebody who has nothing but a token sends an event: a webhook, or a link in a mail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls.converters import StringConverter
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ..core.masking import MASK
from ..engine.event_tokens import send_by_token
from ..exceptions import InvalidArguments
from .descriptions import HOOK
from .filters import ALWAYS, check_parameters
from .openapi import WorkflowsSchema
from .problems import BadInput
from .renderers import PlainRenderer
from .requests import WorkflowsView
from .serializers import TokenEventSerializer

#: The header that may hold the token, in place of the address.
HEADER = "X-Workflow-Token"
#: A shorter text is no token, and may stand anywhere.
_SHORTEST = 16


class TokenIsEnough(BasePermission):
    """The token says who may do what: send one event, once, for a while."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class Hidden:
    """A token that no traceback, log or page shows."""

    def __init__(self, text: str) -> None:
        self._reveal: Callable[[], str] = lambda: text

    def __repr__(self) -> str:
        return MASK

    def reveal(self) -> str:
        return self._reveal()


class HiddenToken(StringConverter):
    """A part of an address that only the view can read, and neither middleware nor the page of an error."""

    def to_python(self, value: str) -> Any:
        return Hidden(value)


class AnythingHidden(HiddenToken):
    """Whatever follows. No address is made of it: another pattern of the same name does that."""

    regex = ".+"

    def to_url(self, value: str) -> str:
        raise ValueError


class AlwaysJSON(BaseContentNegotiation):
    """Whoever asks is a program: nobody is shown a page."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next((each for each in parsers if each.media_type in (request.content_type or "")), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class HookView(WorkflowsView):
    """Sends the event that a token was made for. Nobody has to log in.

    The token leaves the request before anything else is done: what Django logs of an error, and shows on a page of it,
    is the request's address, and a token that was not used up could be used by whoever reads that.
    """

    authentication_classes: Any = []  # a session that happens to be there must not ask for a CSRF token
    permission_classes: Any = [TokenIsEnough]
    content_negotiation_class: Any = AlwaysJSON
    http_method_names = ["post"]
    schema: Any = WorkflowsSchema()

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        return _without_token(super().as_view(actions, **initkwargs))

    def get_renderers(self) -> list[BaseRenderer]:
        return [PlainRenderer()]

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        return TokenEventSerializer

    @HOOK
    def send(self, request: Request, token: Hidden) -> Response:
        """Send an event by its token, which is used up by it. 404 says no more than that the token is not valid."""
        check_parameters(request, ALWAYS)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        try:
            event_id = send_by_token(token.reveal(), data.get("value"), error=data.get("error"))
        except InvalidArguments as error:
            raise BadInput.of_arguments(error, ("value",), request.data, 422) from None
        return Response({"id": str(event_id)}, status=202)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


class OtherHookView(HookView):
    """The same with the token in a header, or behind an address that is not quite right."""

    schema: Any = None


def _without_token(view: Callable[..., HttpResponseBase]) -> Any:
    @csrf_exempt
    @wraps(view)
    def inner(request: HttpRequest, token: Hidden | None = None) -> HttpResponseBase:
        if token is None:
            token = _take_out_of_header(request)
        else:
            _take_out(request, token.reveal())
        return view(request, token=token)

    return inner


def _take_out_of_header(request: HttpRequest) -> Hidden:
    name = f"HTTP_{HEADER.upper().replace('-', '_')}"
    token = Hidden(str(request.META.get(name, "")))
    request.META[name] = MASK
    request.__dict__.pop("headers", None)
    return token


def _take_out(request: HttpRequest, token: str) -> None:
    """Take the token out of the request and whatever servers, logs and pages of errors read in its place."""
    for name in ("path", "path_info"):
        setattr(request, name, f"{getattr(request, name).rpartition(token)[0]}{MASK}/")
    request.META["PATH_INFO"] = request.path_info
    _replace(request.META, token)
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope["path"] = request.path
        scope["raw_path"] = quote(request.path).encode()


def _replace(values: dict[str, Any], token: str) -> None:
    if len(token) < _SHORTEST:
        return
    for written in {token, quote(token), quote(token, safe="")}:
        for key, value in values.items():
            if isinstance(value, str) and written in value:
                values[key] = value.replace(written, MASK)
