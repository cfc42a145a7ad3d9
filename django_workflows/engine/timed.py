"""Runs one attempt and tells the pace how long it took."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from typing import Any

from ..core.commands import Outcome
from ..core.journal import ClaimedStep, StepKind
from ..store.database import retrying
from ..store.plain import Watch
from .invoke import attempt
from .pace import pace


def timed(
    step: ClaimedStep, fn: Callable[..., Any], *, together: bool = False, contained: bool = False
) -> tuple[Outcome, float]:
    """The outcome of an attempt, and how many seconds it took, which the pace is told.

    A query is run again where the database was away. A mutation that must not share its transaction with others takes
    infinitely long; ``together``: it does at present. ``contained`` as for ``attempt``.
    """
    began, alone = time.perf_counter(), False
    if step.kind == StepKind.MUTATION:
        with Watch(forbids=together) as watch:
            outcome = attempt(step, fn, contained=contained, watch=watch)
        alone = outcome.error is not None or not watch.plain or watch.hooks or inspect.iscoroutinefunction(fn)
    else:
        outcome = retrying(lambda: _watched(step, fn)) if step.kind == StepKind.QUERY else attempt(step, fn)
    seconds = math.inf if alone else time.perf_counter() - began
    pace.note(step, seconds)
    return outcome, seconds


def _watched(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
    with Watch() as watch:
        return attempt(step, fn, watch=watch)
