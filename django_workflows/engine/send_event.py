"""Sends events to workflows, and makes them ahead of time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.commands import check_name
from ..core.entries import StepEnd
from ..core.events import EventDefinition, find_event
from ..core.journal import Failure, StepState, WorkflowRecord
from ..core.keys import ScopedKey, parted
from ..core.outcomes import MESSAGE_LIMIT
from ..core.payloads import codec_for, sanitize_text
from ..core.typed_codec import annotation_name
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

#: What is said of a value of another type than JSON's that is sent by name where no type is known.
_BY_DEFINITION = (
    ". Nothing is known of the type of this event, so that it takes JSON values only: send it by the definition that "
    "the workflow function awaits, define_event(name, type), in place of the name."
)
_ERROR_TYPE = f"{EventFailed.__module__}.{EventFailed.__qualname__}"


@writes
def create_event(workflow_id: UUID, event: EventDefinition[Any] | str) -> UUID:
    """Make an event of that name for a running workflow, to be sent later by its id; returns the id.

    Made by a definition, it takes values of that type only.
    """
    name, definition = (event.name, event.reference) if isinstance(event, EventDefinition) else (event, "")
    try:
        check_name(name, what="the name of an event")
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None
    event_id = uuid7()

    def change() -> UUID:
        locked = workflows.lock(workflow_id)
        if locked is None:
            raise _not_running(workflow_id)
        event_store.create(event_id, workflow_id, name, locked[1], definition)
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
    idempotency_key: str | None = None,
    allowed: Callable[[], None] | None = None,
) -> UUID:
    """Send an event, by its id, or to a workflow by definition or name; returns the event's id.

    ``error`` makes it raise ``EventFailed`` where it is awaited. The value is validated now: by the definition it is
    sent or was made by, and by the type of the wait that takes it, if one is open; a wait that comes later validates it
    when it takes it. ``from_outside``: it consists of JSON values, as a client sent it. The same ``idempotency_key``
    for the same workflow again sends nothing and returns the first event's id, also after the workflow has ended; with
    another event, value or error it is ``EventAlreadySent``. ``allowed`` is called in the transaction that sends it,
    when the workflow's row is locked, and raises what forbids it.

    Raises ``InvalidArguments``, ``PayloadTooLarge``, ``EventNotFound``, ``EventAlreadySent``, ``WorkflowNotFound`` or
    ``WorkflowNotRunning``, and changes nothing then.
    """
    workflow_id, name, made_by = _address(workflow_id, event, event_id)
    sender = event if isinstance(event, EventDefinition) else None
    key = _check_key(idempotency_key)
    failure = None if error is None else Failure(_ERROR_TYPE, sanitize_text(str(error), MESSAGE_LIMIT))
    print_ = "" if key is None else _fingerprint(name, event_id, sender, value, failure)
    new_id = event_id or uuid7()
    tried: list[tuple[datetime, int]] = []

    def change() -> UUID:
        locked = workflows.lock(workflow_id, sending=True)
        first = _first(workflow_id, key, print_)
        if first is not None:
            return first
        if locked is None:
            raise _not_running(workflow_id)
        _check_made_ahead(event_id, name, allowed)
        workflow, now = locked
        tried.append((now, workflow.version))
        number, awaited = event_store.waiting_step(workflow_id, name, event_id) or (None, "")
        text = None
        if failure is None:
            text = _Types(sender, find_event(awaited), find_event(made_by)).encode(name, value, from_outside)
        event_store.send(new_id, workflow_id, name, text, failure, now, workflow.version)
        if key is not None:
            event_store.put_key(new_id, key, print_)
        _hand_over(workflow, now, new_id, number, text, failure)
        return new_id

    def done() -> UUID | None:
        first = _first(workflow_id, key, print_)
        return first or (new_id if tried and event_store.was_sent(new_id, *tried[-1]) else None)

    return once(change, done)


def _check_made_ahead(event_id: UUID | None, name: str, allowed: Callable[[], None] | None) -> None:
    if allowed is not None:
        allowed()
    if event_id is not None and event_store.state_of(event_id) != "created":
        raise EventAlreadySent(f"event {event_id} ({name}) has been sent before")


def _hand_over(
    workflow: WorkflowRecord, now: datetime, event_id: UUID, number: int | None, text: str | None, error: Failure | None
) -> None:
    """Give an event that was sent to the step that waits for it, if there is one."""
    mutation = mutation_of(workflow.id)
    if mutation is not None:
        mutation.sends = True
    if number is not None:
        event_store.consume(event_id, number)
        state = StepState.COMPLETED if error is None else StepState.FAILED
        journals.end_wait(workflow.id, StepEnd(number, state, text, error), now)
        workflows.make_due(workflow.id)
        wake(workflow.queue)


def awaited_type(workflow_id: UUID, name: str) -> EventDefinition[Any] | None:
    """The type of which a workflow would take an event of this name now; ``None`` where any value will do."""
    wait = event_store.waiting_step(workflow_id, name, None)
    return find_event(wait[1]) if wait else None


def _check_key(key: str | None) -> str | None:
    try:
        return key if key is None or isinstance(key, ScopedKey) else check_name(key, what="idempotency_key")
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None


def _first(workflow_id: UUID, key: str | None, print_: str) -> UUID | None:
    """The event that was sent with this key before; ``EventAlreadySent`` if that was another one."""
    found = None if key is None else event_store.sent_with(workflow_id, key)
    if found is None:
        return None
    if found[1] != print_:
        raise EventAlreadySent(
            f"the idempotency key {parted(key or '')[0]!r} was used for another event, or another value, of "
            f"workflow {workflow_id}: event {found[0]}. A sender that repeats itself sends the same; for another event "
            "take another key."
        )
    return found[0]


def _fingerprint(name: str, event_id: UUID | None, sender: Any, value: Any, failure: Failure | None) -> str:
    """What tells one event from another that is sent with the same key: as it was given, whoever waits for it."""
    text = f"error {failure.message}" if failure is not None else f"value {_own_text(name, sender, value)}"
    return hashlib.sha256(f"{name}\n{event_id or ''}\n{text}".encode("utf-8", "replace")).hexdigest()


def _own_text(name: str, sender: EventDefinition[Any] | None, value: Any) -> str:
    what, refused = f"value of event {name!r}", None
    types = [Any, type(value)] if sender is None else [sender.type, Any, type(value)]
    for each in types:
        try:
            return codec_for(each).encode(value, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
        except PayloadTooLarge:
            raise
        except Exception as error:  # noqa: BLE001 - validators are users' code
            refused = refused or _refusal(what, error)
    assert refused is not None
    raise refused


def _address(workflow_id: UUID | None, event: Any, event_id: UUID | None) -> tuple[UUID, str, str]:
    """The workflow and the name of the event that is meant, and where it was defined if it was made by a definition."""
    if event_id is not None:
        owner = event_store.owner(event_id)
        if owner is None or workflow_id not in (None, owner[0]):
            # In the same words whether another workflow has it: nobody learns that one does.
            raise EventNotFound(
                f"there is no event {event_id}" + (f" of workflow {workflow_id}" if workflow_id else "")
            )
        return owner
    if workflow_id is None or event is None:
        raise InvalidArguments("send_event needs either event_id=, or a workflow's id and an event")
    name = event.name if isinstance(event, EventDefinition) else event
    try:
        return workflow_id, check_name(name, what="the name of an event"), ""
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None


class _Types:
    """The types that a value has to fit: the sender's, the one that is waited for, and the one it was made with."""

    def __init__(self, *definitions: EventDefinition[Any] | None) -> None:
        self._waited_for = definitions[1]
        self._all: list[EventDefinition[Any]] = []
        for each in definitions:
            if each is not None and each not in self._all:
                self._all.append(each)

    def encode(self, name: str, value: Any, from_outside: bool) -> str:
        """The text of the value; ``InvalidArguments`` unless it fits all of them."""
        what = f"value of event {name!r}"
        if not self._all:
            return _plain(what, value, from_outside)
        first, *others = self._all
        text = _encode(first, what, value, from_outside)
        for each in others:
            waits = "the workflow waits for it as" if each is self._waited_for else "the event was made as"
            try:
                each.codec.read(text)
            except Exception as error:  # noqa: BLE001 - validators are users' code
                raise _refusal(f"{what}, {waits} {annotation_name(each.type)}", error) from None
        return text


def _encode(definition: EventDefinition[Any], what: str, value: Any, from_outside: bool) -> str:
    codec = definition.codec
    try:
        given = codec.from_outside(value) if from_outside else value
        return codec.encode_checked(given, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)[0]
    except PayloadTooLarge:
        raise
    except Exception as error:  # noqa: BLE001 - validators are users' code
        raise _refusal(what, error) from None


def _plain(what: str, value: Any, from_outside: bool) -> str:
    """The text of a value of which no type is known: a JSON value, since nothing else would come back as it was."""
    try:
        return codec_for(Any).encode(value, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
    except PayloadTooLarge:
        raise
    except Exception as error:  # noqa: BLE001 - a value's own class may do anything
        refused = _refusal(what, error)
    advice = "" if from_outside else _BY_DEFINITION
    raise InvalidArguments(f"{refused}{advice}", refused.errors)


def _refusal(what: str, error: Exception) -> InvalidArguments:
    if not isinstance(error, InvalidPayload):
        unfit = Unfit.of(error)
        return InvalidArguments(f"{what}: {unfit}", unfit.problems)
    cause = error.__cause__
    return InvalidArguments(str(error), Unfit.of(cause).problems if isinstance(cause, Exception) else ())


def _not_running(workflow_id: UUID) -> WorkflowNotRunning:
    """``WorkflowNotFound`` if there is no such workflow, else what is to be raised."""
    return WorkflowNotRunning(f"workflow {workflow_id} is {read(workflow_id).state}, so nobody would take the event")
