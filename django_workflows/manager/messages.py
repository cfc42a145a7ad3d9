"""What a ``WorkflowManager`` does about events, for code that may block."""

from __future__ import annotations

from typing import Any, TypeVar, overload
from uuid import UUID

from ..core.durations import Duration
from ..core.events import EventDefinition
from ..engine.event_tokens import issue_token, send_by_token
from ..engine.send_event import create_event, send_event
from .ids import as_id, event_id_of

T = TypeVar("T")


class Messages:
    """Events: made ahead, sent to workflows, sent by whoever has a token."""

    def create_event(self, workflow_id: UUID | str, event: EventDefinition[Any] | str) -> UUID:
        """Make an event for a running workflow ahead of time; returns the id by which it is sent and awaited."""
        return create_event(as_id(workflow_id), event)

    @overload
    def send_event(
        self,
        workflow_id: UUID | str,
        event: EventDefinition[T],
        value: T,
        *,
        error: None = None,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    def send_event(
        self, workflow_id: UUID | str, event: EventDefinition[None], *, idempotency_key: str | None = None
    ) -> UUID: ...
    @overload
    def send_event(
        self,
        workflow_id: UUID | str,
        event: EventDefinition[Any] | str,
        *,
        error: str,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    def send_event(
        self,
        workflow_id: UUID | str,
        event: str,
        value: Any = None,
        *,
        error: str | None = None,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    def send_event(
        self,
        workflow_id: UUID | str | None = None,
        event: EventDefinition[Any] | str | None = None,
        value: Any = None,
        *,
        error: str | None = None,
        event_id: UUID | str,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    def send_event(
        self,
        workflow_id: UUID | str | None = None,
        event: EventDefinition[Any] | str | None = None,
        value: Any = None,
        *,
        error: str | None = None,
        event_id: UUID | str | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Send an event to a workflow, by definition or name, or by the id of one that was made ahead; returns its id.

        ``error`` raises ``EventFailed`` where it is awaited. The value is validated now, by the definition and by the
        type of the wait that is open; what is awaited later is validated there. ``idempotency_key``, of 1 to 200
        characters, is for senders that repeat themselves: the same key for the same workflow again sends nothing and
        returns the first event's id, whatever became of the workflow meanwhile; with another value it is
        ``EventAlreadySent``. Raises ``InvalidArguments``, ``EventNotFound``, ``EventAlreadySent``,
        ``WorkflowNotFound`` or ``WorkflowNotRunning``, and then changes nothing.
        """
        target = None if workflow_id is None else as_id(workflow_id)
        return send_event(
            target, event, value, error=error, event_id=event_id_of(event_id), idempotency_key=idempotency_key
        )

    def create_event_token(self, event_id: UUID | str, *, expires_in: Duration) -> str:
        """A token by which whoever has it may send this event, once, for ``expires_in`` (seconds or timedelta).

        For webhooks and links in mails: 64 characters, safe in a URL, 256 of their bits random. ``event_id`` is of an
        event that was made ahead of time; a token that it had is replaced. Only a hash is stored, so make the token
        where it is handed out (in the action that sends the mail), and do not return it from a step: a journal would
        keep it. Raises ``EventNotFound``, ``EventAlreadySent``, ``WorkflowNotRunning`` or ``InvalidArguments``.
        """
        return issue_token(event_id_of(event_id, needed=True), expires_in)

    def send_event_by_token(self, token: str, value: Any = None, *, error: str | None = None) -> UUID:
        """Send the event that a token was made for; returns the event's id. The token is used up by it.

        ``value`` may be what a client sent as JSON: it is converted and validated by the event's type. Raises
        ``EventTokenInvalid`` (malformed, unknown, replaced, used or expired: it does not say which); with a valid token
        also ``InvalidArguments`` or ``WorkflowNotRunning``, and changes nothing then.
        """
        return send_by_token(token, value, error=error)
