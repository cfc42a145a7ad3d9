"""Whether a text is a whole history that does not contradict itself; asked before one is taken into a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..exceptions import InvalidPayload
from .histories import History
from .journal import FINISHED_STATES, OPEN_STATES, StepKind, StepState, WorkflowState

#: So many faults are named.
_SHOWN = 5


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant outside of the years of UTC") from None


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL, which not every database can store")
    return text


_Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Number = Annotated[int, Field(ge=0, lt=2**31)]
_Delivery = Annotated[int, Field(ge=1, lt=2**31)]
_Text = Annotated[str, AfterValidator(_without_nul)]
_Name = Annotated[_Text, Field(min_length=1, max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Error(_Part):
    type: str
    message: str
    bases: list[str] = []
    traceback: str = ""
    attempts: _Number = 1
    steps: list[_Number] = []
    handled: list[_Number] = []


class _Outcome(_Part):
    state: str
    result: Any = None
    error: _Error | None = None

    @property
    def has_result(self) -> bool:
        return "result" in self.model_fields_set

    def outcome_faults(self, *, is_open: bool) -> Iterator[str]:
        if self.has_result and self.error is not None:
            yield "has a result and an error"
        if is_open and (self.has_result or self.error is not None):
            yield f"is {self.state}, and has an outcome"
        if (self.state == "failed") != (self.error is not None):
            yield f"is {self.state} {'with an' if self.error else 'without'} error"


class _Step(_Outcome):
    number: _Number
    kind: StepKind
    name: _Name
    function: Annotated[_Text, Field(max_length=500)] = ""
    args: Any
    state: StepState
    delivery: _Delivery | None
    delivered_at: _Instant | None
    finished_at: _Instant | None = None
    due_at: _Instant | None = None

    def faults(self) -> Iterator[str]:
        yield from self.outcome_faults(is_open=self.state in OPEN_STATES)
        if (self.delivery is None) != (self.delivered_at is None):
            yield "has one of delivery and delivered_at"
        if self.delivery is not None and self.state not in FINISHED_STATES:
            yield f"is {self.state}, and its outcome was delivered"


class _Document(_Outcome):
    format: Literal[1]
    workflow_id: UUID
    name: Annotated[_Text, Field(min_length=1, max_length=200)]
    state: WorkflowState
    started_at: _Instant | None
    args: dict[str, Any]
    canceled_at_delivery: _Delivery | None = None
    reopened: bool = False
    continuations: _Number = 0
    logic: _Number = 0
    scheduled_for: _Instant | None = None
    captured: dict[str, Any] = {}
    steps: list[_Step]

    def faults(self) -> Iterator[str]:
        yield from self.outcome_faults(is_open=self.state == WorkflowState.IN_PROGRESS)
        if self.started_at is None and (self.steps or self.state == WorkflowState.COMPLETED):
            yield "has steps or a result, but no first turn (started_at)"
        if [step.number for step in self.steps] != list(range(len(self.steps))):
            yield "steps are not numbered from 0, each with the next number"
        for step in self.steps:
            yield from (f"step {step.number} {fault}" for fault in step.faults())
            if self.state != WorkflowState.IN_PROGRESS and step.state in OPEN_STATES:
                yield f"has ended, but step {step.number} is {step.state}"
        deliveries = [step.delivery for step in self.steps if step.delivery is not None]
        deliveries += [] if self.canceled_at_delivery is None else [self.canceled_at_delivery]
        if sorted(deliveries) != list(range(1, len(deliveries) + 1)):
            yield "deliveries are not numbered from 1, each with a number of its own"


def whole_history(text: str) -> History:
    """The history that a text is; ``InvalidPayload``, which says what is wrong, where ``dump`` would not write it so.

    Fields that are unknown or of another type are faults, and so is a journal that contradicts itself.
    """
    history = History.load(text)
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        raise InvalidPayload(_listed(f"{_place(each['loc'])}: {each['msg']}" for each in error.errors())) from None
    if faults := list(document.faults()):
        raise InvalidPayload(_listed(faults))
    return history


def _listed(faults: Any) -> str:
    found = [str(fault)[:300] for fault in faults]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "the document"
