"""Turns exceptions into what journals keep of them, and back into what a handler catches."""

from __future__ import annotations

import asyncio
import builtins
import json
import traceback as tracebacks
from dataclasses import replace
from types import TracebackType
from typing import Any

from ..exceptions import (
    ChildWorkflowCanceled,
    ChildWorkflowFailed,
    ContinueAsNew,
    EventFailed,
    InvalidPayload,
    StepFailed,
    StepInterrupted,
)
from .commands import Decode, Outcome
from .journal import Failure, StepKind
from .payloads import sanitize_text
from .retry import dotted_path
from .unfit import Unfit

MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 50_000
CANCELED_TYPE = "django_workflows.exceptions.ChildWorkflowCanceled"
INTERRUPTED_TYPE = "django_workflows.exceptions.StepInterrupted"
TIMEOUT_TYPE = "builtins.TimeoutError"


def failure_of(error: BaseException, *, attempts: int = 1, skip_frames: int = 0) -> Failure:
    """What a journal keeps of ``error``. Tracebacks are without local variables; ``skip_frames`` are our own."""
    frames = error.__traceback__
    for _ in range(skip_frames):
        frames = frames.tb_next if frames is not None and frames.tb_next is not None else frames
    classes = [cls for cls in type(error).__mro__ if cls not in (object, BaseException)]
    kind, *bases = map(_path_of, classes or [BaseException])
    if isinstance(error, StepFailed) and error.error_type not in ("", CANCELED_TYPE):
        # A step's failure that nobody caught is told by its cause, to the parent and to whoever looks.
        kind, bases = error.error_type, [*error.error_bases, kind, *bases]
    return Failure(
        type=kind,
        message=sanitize_text(message_of(error), MESSAGE_LIMIT),
        bases=tuple(bases),
        traceback=sanitize_text(_traceback_of(error, frames), TRACEBACK_LIMIT),
        attempts=attempts,
    )


def unreadable(error: Exception) -> Failure:
    """The failure of a wait for an event whose value is not of the type that is waited for."""
    why = error if isinstance(error, InvalidPayload) else Unfit.of(error)
    return failure_of(InvalidPayload(f"the event's value cannot be read where it is awaited: {why}"))


def message_of(error: BaseException) -> str:
    """``str(error)``, or the name of its class when that is empty or itself fails."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # noqa: BLE001 - a user's __str__ may do anything
        return f"{type(error).__name__} (its text cannot be read)"


def _traceback_of(error: BaseException, frames: TracebackType | None) -> str:
    try:
        return "".join(tracebacks.format_exception(type(error), error, frames))
    except BaseException:  # noqa: BLE001 - so may its notes, its causes and their texts
        return "".join(tracebacks.format_tb(frames))


def _path_of(cls: type) -> str:
    try:
        return dotted_path(cls)
    except BaseException:  # noqa: BLE001 - and its metaclass
        return type.__repr__(cls)


def meant(error: BaseException) -> BaseException:
    """A ``continue_as_new`` that came out of a ``TaskGroup``, and so in a group, if there is nothing else in there."""
    if isinstance(error, BaseExceptionGroup) and error.split(ContinueAsNew)[1] is None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    return error


def exception_of(kind: str, name: str, failure: Failure) -> Exception:
    """What the handler catches where it awaited a step of this kind and name."""
    if failure.type == TIMEOUT_TYPE and kind == StepKind.EVENT:
        return builtins.TimeoutError(failure.message)
    cls: type[StepFailed] = StepFailed
    if kind == StepKind.EVENT:
        cls = EventFailed
    elif kind == StepKind.WORKFLOW:
        cls = ChildWorkflowCanceled if failure.type == CANCELED_TYPE else ChildWorkflowFailed
    elif failure.type == INTERRUPTED_TYPE:
        cls = StepInterrupted
    return cls(
        failure.message,
        error_type=failure.type,
        error_bases=failure.bases,
        traceback=failure.traceback,
        attempts=failure.attempts,
        step=name,
    )


#: Where an exception that was raised for a failed step has the step's number.
_STEP = "_django_workflows_step"


def with_steps(failure: Failure, error: BaseException) -> Failure:
    """What ended a workflow, with the failed steps that ``error`` comes from: it is theirs, groups them, or has them
    as its cause.

    Where there are none: with those in whose handling it was raised, by an ``except`` block without ``from``.
    """
    steps = _steps_behind(error, handled=False)
    return replace(failure, steps=steps, handled=() if steps else _steps_behind(error, handled=True))


def _steps_behind(error: BaseException, *, handled: bool) -> tuple[int, ...]:
    found: set[int] = set()
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        number = getattr(each, "__dict__", {}).get(_STEP)
        if type(number) is int:
            found.add(number)
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
        left.append(each.__cause__)
        if handled:
            left.append(each.__context__)
    return tuple(sorted(found))


def settle(future: asyncio.Future[Any], kind: str, name: str, decode: Decode | None, outcome: Outcome) -> None:
    """Let a step's future have its outcome; ``InvalidPayload`` if the recorded result no longer fits the code."""
    if outcome.error is not None:
        error = exception_of(kind, name, outcome.error)
        error.__dict__[_STEP] = outcome.number
        future.set_exception(error)
    elif outcome.has_value:
        future.set_result(outcome.value)
    elif outcome.result is None:
        future.set_result(None)
    else:
        future.set_result(_decode(outcome, decode or json.loads))


def _decode(outcome: Outcome, decode: Decode) -> Any:
    assert outcome.result is not None
    try:
        return decode(outcome.result)
    except Exception as error:
        raise InvalidPayload(f"the result of step {outcome.number}: {error}") from error
