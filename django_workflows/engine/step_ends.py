"""How the end of a step goes into the journal."""

from __future__ import annotations

from ..core.commands import Outcome
from ..core.entries import StepEnd
from ..core.journal import ClaimedStep, Failure, StepKind, StepRecord, StepState
from ..core.outcomes import TIMEOUT_TYPE


def end_of_wait(record: StepRecord) -> tuple[StepState, Failure | None]:
    if record.kind == StepKind.EVENT:
        return StepState.FAILED, Failure(TIMEOUT_TYPE, f"no event came for {record.name!r} in time")
    return StepState.COMPLETED, None


def step_end(step: ClaimedStep, outcome: Outcome, delivery: int | None, reached: int | None = None) -> StepEnd:
    """The end of an attempt, as the journal keeps it."""
    state = StepState.FAILED if outcome.error else StepState.COMPLETED
    return StepEnd(step.number, state, outcome.result, outcome.error, step.attempt, delivery, reached)
