"""Sends events to workflows, and makes them ahead of time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.commands import check_name
from ..core.entries import StepEnd
from ..core.events import EventDefinition, known_events
from ..core.journal import Failure, StepState
from ..core.outcomes import MESSAGE_LIMIT
from ..core.payloads import codec_for, sanitize_text
from ..core.unfit import Unfit
from ..exceptions import (
    EventAlreadySent,
    EventFailed,
    EventNotFound,
    InvalidArguments,
    InvalidPayload,
    InvalidStep,
    PayloadTooLarge,
    WorkflowNotRunning,
)
from ..models import uuid7
from ..store import events as event_store
from ..store import journals, workflows
from ..store.once import once
from .dispatch import wake
from .inside import mutation_of, writes
from .observe import read

_ERROR_TYPE = f"{EventFailed.__module__}.{EventFailed.__qualname__}"


@writes
def create_event(workflow_id: UUID, name: str) -> UUID:
    """Make an event of that name for a running workflow, to be sent later by its id; returns the id."""
    try:
        check_name(name, what="the name of an event")
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None
    event_id = uuid7()

    def change() -> UUID:
        locked = workflows.lock(workflow_id)
        if locked is None:
            raise _not_running(workflow_id)
        event_store.create(event_id, workflow_id, name, locked[1])
        return event_id

    return once(change, lambda: event_id if event_store.state_of(event_id) is not None else None)


@writes
def send_event(
    workflow_id: UUID | None,
    event: EventDefinition[Any] | str | None,
    value: Any = None,
    *,
    error: str | None = None,
    event_id: UUID | None = None,
    from_outside: bool = False,
) -> UUID:
    """Send an event, by its id, or to a workflow by definition or name; returns the event's id.

    ``error`` makes it raise ``EventFailed`` where it is awaited. The value is validated now, by the definition, or by
    the one known under that name. ``from_outside``: it consists of JSON values, as a client sent it. Raises
    ``InvalidArguments``, ``PayloadTooLarge``, ``EventNotFound``, ``EventAlreadySent``, ``WorkflowNotFound`` or
    ``WorkflowNotRunning``, and changes nothing then.
    """
    workflow_id, name = _address(workflow_id, event, event_id)
    text = None if error is not None else _encode(event, name, value, from_outside)
    failure = None if error is None else Failure(_ERROR_TYPE, sanitize_text(str(error), MESSAGE_LIMIT))
    new_id = event_id or uuid7()
    tried: list[tuple[datetime, int]] = []

    def change() -> UUID:
        locked = workflows.lock(workflow_id)
        if locked is None:
            raise _not_running(workflow_id)
        if event_id is not None and event_store.state_of(event_id) != "created":
            raise EventAlreadySent(f"event {event_id} ({name}) has been sent before")
        workflow, now = locked
        mutation = mutation_of(workflow_id)
        if mutation is not None:
            mutation.sends = True
        tried.append((now, workflow.version))
        event_store.send(new_id, workflow_id, name, text, failure, now, workflow.version)
        number = event_store.waiting_step(workflow_id, name, new_id if event_id is not None else None)
        if number is not None:
            event_store.consume(new_id, number)
            state = StepState.COMPLETED if failure is None else StepState.FAILED
            journals.end_wait(workflow_id, StepEnd(number, state, text, failure), now)
            workflows.make_due(workflow_id)
            wake(workflow.queue)
        return new_id

    return once(change, lambda: new_id if event_store.was_sent(new_id, *tried[-1]) else None)


def _address(workflow_id: UUID | None, event: Any, event_id: UUID | None) -> tuple[UUID, str]:
    """The workflow and the name of the event that is meant."""
    if event_id is not None:
        owner = event_store.owner(event_id)
        if owner is None or workflow_id not in (None, owner[0]):
            raise EventNotFound(f"there is no event {event_id}" + (f" of workflow {workflow_id}" if owner else ""))
        return owner
    if workflow_id is None or event is None:
        raise InvalidArguments("send_event needs either event_id=, or a workflow's id and an event")
    name = event.name if isinstance(event, EventDefinition) else event
    try:
        return workflow_id, check_name(name, what="the name of an event")
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None


def _encode(event: Any, name: str, value: Any, from_outside: bool) -> str:
    """The text of a value that fits the event, or one of those defined under its name."""
    definitions = [event] if isinstance(event, EventDefinition) else known_events(name)
    codecs = [definition.codec for definition in definitions] or [codec_for(Any)]
    what, refused = f"value of event {name!r}", None
    for codec in codecs:
        try:
            given = codec.from_outside(value) if from_outside else value
            return codec.encode_checked(given, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)[0]
        except PayloadTooLarge:
            raise
        except Exception as error:  # noqa: BLE001 - validators are users' code
            refused = refused or _refusal(what, error)
    assert refused is not None
    raise refused


def _refusal(what: str, error: Exception) -> InvalidArguments:
    if not isinstance(error, InvalidPayload):
        unfit = Unfit.of(error)
        return InvalidArguments(f"{what}: {unfit}", unfit.problems)
    cause = error.__cause__
    return InvalidArguments(str(error), Unfit.of(cause).problems if isinstance(cause, Exception) else ())


def _not_running(workflow_id: UUID) -> WorkflowNotRunning:
    """``WorkflowNotFound`` if there is no such workflow, else what is to be raised."""
    return WorkflowNotRunning(f"workflow {workflow_id} is {read(workflow_id).state}, so nobody would take the event")
