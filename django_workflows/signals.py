"""Signals for users' code, sent after the commit of what they tell of. Receivers' errors are logged, not raised.

Each has ``workflow_id`` (UUID) and ``name`` (of the definition); those of steps ``number`` and ``step`` (its name) too.
``workflow_completed`` has ``state``, ``untaken_events`` (a dict: how many events of each name were sent to it and never
taken) and ``never_awaited`` (a list: the names of steps that its function asked for and never awaited);
``step_completed`` has ``state`` and ``attempt``; ``step_retried`` has ``attempt`` (the one that failed), ``error`` and
``retry_at``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.dispatch import Signal


class ReceiverFailed(Exception):
    """A receiver raised what is no ``Exception``; that is the cause of this one."""


class WorkflowSignal(Signal):
    """A signal whose receivers are all called, whatever one of them raises. Django goes on after exceptions only."""

    def _live_receivers(self, sender: Any) -> tuple[list[Callable[..., Any]], list[Callable[..., Any]]]:
        plain, awaited = super()._live_receivers(sender)
        return [_contained(each) for each in plain], [_contained_async(each) for each in awaited]


def _never(error: BaseException) -> bool:
    return False


#: Whether what is no ``Exception`` came into a receiver from outside, to end the worker. The engine knows.
comes_from_outside: Callable[[BaseException], bool] = _never


def _contained(receiver: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(receiver)
    def call(**named: Any) -> Any:
        try:
            return receiver(**named)
        except BaseException as error:
            if isinstance(error, Exception) or comes_from_outside(error):
                raise
            raise ReceiverFailed(type(error).__name__) from error

    return call


def _contained_async(receiver: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(receiver)
    async def call(**named: Any) -> Any:
        try:
            return await receiver(**named)
        except BaseException as error:
            if isinstance(error, Exception) or comes_from_outside(error):
                raise
            raise ReceiverFailed(type(error).__name__) from error

    return call


workflow_started = WorkflowSignal()
workflow_completed = WorkflowSignal()
step_started = WorkflowSignal()
step_completed = WorkflowSignal()
step_retried = WorkflowSignal()
