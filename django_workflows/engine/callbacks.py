"""Which function an ``on_complete`` is. A row alone never decides that: what it says must be registered, or sealed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string

from ..core.definitions import PATH_LIMIT, is_task, step_function_path
from ..core.registry import registry
from ..exceptions import CallbackRefused, InvalidArguments, InvalidStep

_SALT = "django_workflows.on_complete"


def callback_path(callback: str | Callable[..., Any] | None) -> str:
    """The dotted path of an ``on_complete``; ``InvalidArguments`` unless it can be imported and called."""
    if callback is None:
        return ""
    if is_task(callback):
        raise InvalidArguments(
            f"on_complete: {callback.name} is a task of Django's Tasks, and is not called with what an on_complete "  # type: ignore[union-attr]
            f"gets: write a function (workflow_id, result, context) that calls {callback.name}.enqueue(...)"  # type: ignore[union-attr]
        )
    if not isinstance(callback, str):
        try:
            return step_function_path(callback)
        except InvalidStep as error:
            raise InvalidArguments(f"on_complete: {error}") from None
    try:
        found = import_string(callback)
    except ImportError as error:
        raise InvalidArguments(f"on_complete: {callback!r} cannot be imported: {error}") from error
    if not callable(found):
        raise InvalidArguments(f"on_complete: {callback!r} is not a function")
    if len(callback) > PATH_LIMIT:
        raise InvalidArguments(f"on_complete: a path can have {PATH_LIMIT} characters, and this has {len(callback)}")
    return callback


def seal(workflow_id: UUID, path: str) -> str:
    """What proves, to whoever has the ``SECRET_KEY``, that code asked for this callback of this workflow."""
    return _digest(workflow_id, path, django_settings.SECRET_KEY) if path else ""


def find_callback(workflow_id: UUID, path: str, sealed: str) -> Callable[..., Any]:
    """The function that a row names.

    It is one that code registered, else it is imported, if the row's seal was made with ``SECRET_KEY`` or one of
    ``SECRET_KEY_FALLBACKS``. Raises ``CallbackRefused``, and imports nothing, where it was not; ``ImportError`` if the
    function is gone.
    """
    known = registry.callbacks.get(path)
    if known is not None:
        return known
    keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    if not any(constant_time_compare(sealed, _digest(workflow_id, path, key)) for key in keys):
        raise CallbackRefused(
            f"on_complete {path!r} was not called: its row was not written by a start with this SECRET_KEY. After the "
            "key was changed, add the old one to SECRET_KEY_FALLBACKS, or register the function with "
            "@workflow.callback. Otherwise somebody has changed the row."
        )
    return import_string(path)  # type: ignore[no-any-return]


def _digest(workflow_id: UUID, path: str, key: str | bytes) -> str:
    return salted_hmac(_SALT, f"{workflow_id}:{path}", secret=key, algorithm="sha256").hexdigest()
