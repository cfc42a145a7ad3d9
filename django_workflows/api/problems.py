"""Errors as ``application/problem+json`` (RFC 9457), with a JSON pointer for every bad field."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.http import Http404
from rest_framework import exceptions as rest
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from .. import exceptions as ours
from ..core.retry import dotted_path
from ..store.once import InDoubt
from ..store.transient import is_transient
from .pointers import locate, pointer

logger = logging.getLogger("django_workflows")

#: What the errors of the package are over HTTP. Of one that is not here, that of its nearest base.
STATUSES: Mapping[type[ours.WorkflowError], HTTPStatus] = {
    ours.WorkflowError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ours.WorkflowNotFound: HTTPStatus.NOT_FOUND,
    ours.DefinitionNotFound: HTTPStatus.NOT_FOUND,
    ours.EventNotFound: HTTPStatus.NOT_FOUND,
    ours.EventTokenInvalid: HTTPStatus.NOT_FOUND,
    ours.StepNotFound: HTTPStatus.UNPROCESSABLE_ENTITY,
    ours.InvalidArguments: HTTPStatus.UNPROCESSABLE_ENTITY,
    ours.InvalidPayload: HTTPStatus.UNPROCESSABLE_ENTITY,
    ours.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ours.WorkflowNotRunning: HTTPStatus.CONFLICT,
    ours.WorkflowStillRunning: HTTPStatus.CONFLICT,
    ours.WorkflowAlreadyRunning: HTTPStatus.CONFLICT,
    ours.EventAlreadySent: HTTPStatus.CONFLICT,
}
_BAD, _SHOWN = "Some of what was sent is wrong.", 50


class BadInput(rest.APIException):
    """Fields of the body, or parameters, that are wrong: ``errors`` as they go into the problem."""

    status_code = 400
    default_code = "invalid"

    def __init__(self, errors: Iterable[dict[str, Any]], detail: str = _BAD, status: int = 400) -> None:
        super().__init__(detail)
        self.status_code = status
        self.errors = list(errors)[:_SHOWN]

    @classmethod
    def of_arguments(
        cls, error: ours.InvalidArguments, place: tuple[str | int, ...], body: Any, status: int
    ) -> BadInput:
        """What pydantic, or a signature, found wrong with what stands at ``place`` of the body."""
        found = []
        for problem in error.errors or [{"loc": (), "msg": str(error), "type": "invalid"}]:
            path = locate((*place, *problem.get("loc", ())), body)
            found.append(field_error(path, problem["msg"], str(problem.get("type", "invalid"))))
        return cls(found, status=status)


class PreconditionFailed(rest.APIException):
    """``If-Match`` names another version."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_detail = "The workflow has changed since: get it again, and decide anew."
    default_code = "precondition_failed"


class Conflict(rest.APIException):
    """What is asked for does not go with how things stand."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class Unavailable(rest.APIException):
    """Later perhaps."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    wait = 5


def field_error(path: Iterable[str | int], detail: str, code: str = "invalid") -> dict[str, Any]:
    """One entry of ``errors`` about a field of the body."""
    return {"pointer": pointer(path), "detail": detail, "code": code}


def parameter_error(name: str, detail: str, code: str = "invalid", where: str = "parameter") -> dict[str, Any]:
    """One entry of ``errors`` about a parameter of the query, or a ``header``."""
    return {where: name[:100], "detail": detail, "code": code}


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The exception handler of this package's views; ``None`` leaves a bug to Django."""
    found = _as_api_exception(error)
    if found is None:
        return None
    set_rollback()
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(found.status_code).phrase,
        "status": int(found.status_code),
        "detail": _detail(found),
        "code": _code(error, found),
    }
    errors = _errors(found)
    if errors:
        problem["errors"] = errors
    return Response(problem, status=found.status_code, headers=_headers(found))


def _as_api_exception(error: Exception) -> rest.APIException | None:
    if isinstance(error, Http404):
        return rest.NotFound(str(error) or None)
    if isinstance(error, PermissionDenied):
        return rest.PermissionDenied()
    if isinstance(error, ours.WorkflowError):
        return _of_package(error)
    if isinstance(error, InDoubt):
        return Unavailable(str(error))
    if isinstance(error, (DatabaseError, InterfaceError)) and is_transient(error):
        logger.warning("The database did not answer a request: %s", type(error).__name__, exc_info=error)
        return Unavailable("The database does not answer at the moment.")
    return error if isinstance(error, rest.APIException) else None


def _of_package(error: ours.WorkflowError) -> rest.APIException:
    kind = next(each for each in type(error).__mro__ if each in STATUSES)
    found = rest.APIException(str(error))
    found.status_code = int(STATUSES[kind])
    return found


def _detail(error: rest.APIException) -> str:
    return _BAD if isinstance(error, rest.ValidationError) else str(error.detail)


def _code(error: Exception, found: rest.APIException) -> str:
    """A word that a client can decide by: the error's own, else REST framework's."""
    if isinstance(error, ours.WorkflowError):
        return dotted_path(type(error)).rpartition(".")[2]
    code = found.get_codes()
    return code if isinstance(code, str) else "invalid"


def _errors(error: rest.APIException) -> list[dict[str, Any]]:
    if isinstance(error, BadInput):
        return error.errors
    if isinstance(error, rest.ValidationError):
        return list(_flatten(error.detail, ()))[:_SHOWN]
    return []


def _flatten(detail: Any, path: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            own = (api_settings.NON_FIELD_ERRORS_KEY,)
            yield from _flatten(inner, path if key in own else (*path, key))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list, tuple))
            yield from _flatten(inner, (*path, index) if nested else path)
    else:
        yield field_error(path, str(detail), getattr(detail, "code", "invalid"))


def _headers(error: rest.APIException) -> dict[str, str]:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = f"{wait:.0f}"
    return headers
