"""Carries what holds for a caller, a tenant say, to all that is run for it: the classes of the setting ``CONTEXT``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache, partial
from types import TracebackType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..conf import settings
from ..core.codec import PLAIN
from ..core.excerpts import one_line, preview
from ..core.outcomes import message_of
from ..core.plain_json import scalar_text
from ..core.retry import dotted_path
from ..exceptions import WorkflowError
from .interruptions import interruption

logger = logging.getLogger("django_workflows")


def capture() -> str | None:
    """What each class captures here and now, as a JSON object by the classes' paths; ``None`` where there are none.

    Raises what a ``capture()`` raises, and ``InvalidPayload`` if it returns what is no JSON.
    """
    if not settings.CONTEXT:
        return None
    parts = []
    for path, hook in _hooks(settings.CONTEXT):
        what = f"what {path}.capture() has returned"
        text = PLAIN.encode(hook.capture(), what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
        parts.append(f"{scalar_text(path)}:{text}")
    return f"{{{','.join(parts)}}}"


class applied:  # noqa: N801 - reads as a statement
    """Let what was captured hold in the block, in the order of the setting.

    A class that captured nothing when the workflow was started, since it is newer, is left out. Raises what an
    ``apply`` raises, with a note that says whose it is. An error of the block passes, whatever they make of it.
    """

    __slots__ = ("_captured", "_stack")

    def __init__(self, captured: str | None) -> None:
        self._captured = captured
        self._stack: ExitStack | None = None

    def __enter__(self) -> None:
        if self._captured is None or not settings.CONTEXT:
            return
        values = json.loads(self._captured)
        with ExitStack() as stack:
            for path, hook in _hooks(settings.CONTEXT):
                if path in values:
                    stack.enter_context(_Applied(path, hook, values[path]))
            self._stack = stack.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stack is not None:
            self._stack.__exit__(kind, error, traceback)


class _Applied:
    """One class's ``apply(value)``, by which no error of the block is lost."""

    def __init__(self, path: str, hook: Any, value: Any) -> None:
        self._path, self._hook, self._value = path, hook, value

    def __enter__(self) -> None:
        try:
            self._manager = self._hook.apply(self._value)
            self._manager.__enter__()
        except BaseException as error:
            error.add_note(f"raised by {self._path}.apply()")
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._manager.__exit__(kind, error, traceback)
        except BaseException as own:
            if own is error:
                return
            if error is None or interruption(own) is not None:
                own.add_note(f"raised by {self._path}.apply()")
                raise
            logger.exception("%s.apply() failed at its end, after an error", self._path)


class ContextFailed(WorkflowError):
    """An ``apply`` failed around a turn. That is not the workflow's doing: the turn is taken again until it works."""


class applied_to_turn(applied):  # noqa: N801 - reads as a statement
    """``applied`` around a workflow function. Raises ``ContextFailed``."""

    __slots__ = ()

    def __enter__(self) -> None:
        self._turn(super().__enter__)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._turn(partial(super().__exit__, kind, error, traceback))

    def _turn(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            if interruption(error) is not None:
                raise
            notes = ", ".join(getattr(error, "__notes__", ()))
            raise ContextFailed(f"{type(error).__name__}: {message_of(error)} ({notes})") from error


def surroundings(captured: str | None) -> Callable[[], applied] | None:
    """In which a workflow function is called; ``None``: in no special ones."""
    return None if captured is None else partial(applied_to_turn, captured)


@lru_cache(maxsize=8)
def _hooks(named: tuple[Any, ...]) -> tuple[tuple[str, Any], ...]:
    """The classes of the setting, one instance of each, by path."""
    return tuple((each if isinstance(each, str) else dotted_path(each), instance_of(each)) for each in named)


def instance_of(named: Any) -> Any:
    """An instance of a class that the setting names. ``ImproperlyConfigured`` if it cannot be used."""
    wrong = f"CONTEXT names {preview(named)}, which"
    try:
        made = (import_string(named) if isinstance(named, str) else named)()
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}", 200)
        raise ImproperlyConfigured(f"DJANGO_WORKFLOWS: {wrong} cannot be imported and made: {why}") from error
    missing = [name for name in ("capture", "apply") if not callable(getattr(made, name, None))]
    if missing:
        none = " and no ".join(f"{name}()" for name in missing)
        raise ImproperlyConfigured(f"DJANGO_WORKFLOWS: {wrong} has no {none}")
    return made
