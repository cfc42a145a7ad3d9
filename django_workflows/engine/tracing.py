"""Tells OpenTelemetry of starts, attempts and callbacks, if it is installed (the extra ``otel``); else nothing happens.

The trace context of the code that starts a workflow is kept in its row, and is current again in every step.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Protocol
from uuid import UUID

from ..core.journal import ClaimedStep, Failure, WorkflowRecord


class Start(Protocol):
    """A start that is being traced. ``context`` is what the workflow's row keeps, "" for none."""

    @property
    def context(self) -> str: ...

    def made(self, workflow_id: UUID) -> None:
        """Say which workflow it is; for a repeated key, the first one."""


class Span(Protocol):
    """An attempt, or a callback, that is being traced."""

    def failed(self, failure: Failure) -> None:
        """Say that it failed, and why."""


class _Untraced:
    context = ""

    def made(self, workflow_id: UUID) -> None:
        pass

    def failed(self, failure: Failure) -> None:
        pass


#: Seconds between two questions to OpenTelemetry, which looks into the environment each time.
_MOMENT = 0.1
_UNTRACED = _Untraced()
_NOBODY = nullcontext(_UNTRACED)
_INSTALLED = find_spec("opentelemetry") is not None


class _Known:
    """What was found when it was last asked, and until when that is good."""

    listening = False
    until = -math.inf


def _listening() -> bool:
    """Whether the project has said where spans go, which it does once, or had not a moment ago."""
    if not _Known.listening and time.monotonic() >= _Known.until:
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        _Known.listening = not isinstance(get_tracer_provider(), ProxyTracerProvider)
        _Known.until = time.monotonic() + _MOMENT
    return _Known.listening


def _carries() -> bool:
    """Whether the code that runs here has a trace context or baggage, which may be somebody else's."""
    from opentelemetry.context import get_current

    return bool(get_current())


def starting(name: str) -> AbstractContextManager[Start]:
    """While a workflow of that definition is started; the span is where its steps come from."""
    if not _INSTALLED or not (_listening() or _carries()):
        return _NOBODY
    from . import spans

    return spans.starting(name)


def is_traced(step: ClaimedStep) -> bool:
    """Whether somebody wants to hear of the attempts of a step."""
    return _INSTALLED and (bool(step.trace) or _listening())


def attempting(step: ClaimedStep) -> AbstractContextManager[Span]:
    """While an attempt of a step runs: a span of its own, in the trace of the start, and linked to it."""
    if not is_traced(step):
        return _NOBODY
    from . import spans

    return spans.attempting(step)


def calling_back(workflow: WorkflowRecord) -> AbstractContextManager[Span]:
    """While the ``on_complete`` of a workflow runs."""
    if not _INSTALLED or not (workflow.trace or _listening()):
        return _NOBODY
    from . import spans

    return spans.calling_back(workflow)
