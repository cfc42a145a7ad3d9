"""Tokens by which somebody who has nothing else may send one event, once, for a while: for webhooks and mails.

A token is 256 random bits behind the event's id. Only its hash is stored, so that who reads the database can send
nothing with it, and it is compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any
from uuid import UUID

from django.utils.crypto import constant_time_compare

from ..core.durations import Duration, to_seconds
from ..exceptions import (
    EventAlreadySent,
    EventNotFound,
    EventTokenInvalid,
    InvalidArguments,
    InvalidStep,
    WorkflowError,
    WorkflowNotRunning,
)
from ..store import event_tokens
from ..store.database import retrying
from .send_event import send_event

_ID_BYTES, _SECRET_BYTES = 16, 32
#: How long a token may be valid at the most, in seconds: ten years.
_LONGEST = 10 * 366 * 86400.0
_INVALID = "this token is not valid: it is unknown, was used or replaced, or has expired"


def issue_token(event_id: UUID, expires_in: Duration) -> str:
    """A new token for an event that was made ahead of time, in place of any it had; valid for ``expires_in``.

    64 characters, safe in a URL. It cannot be had again: only its hash is stored. Raises ``EventNotFound``,
    ``EventAlreadySent``, ``WorkflowNotRunning`` or ``InvalidArguments``.
    """
    try:
        seconds = to_seconds(expires_in, what="expires_in")
    except InvalidStep as error:
        raise InvalidArguments(str(error)) from None
    if not 0 < seconds <= _LONGEST:
        raise InvalidArguments(f"expires_in must lie above 0 and be ten years at most, got {expires_in!r}")
    secret = secrets.token_bytes(_SECRET_BYTES)
    if not retrying(lambda: event_tokens.put(event_id, _hash(secret), seconds)):
        raise _why_not(event_id)
    return base64.urlsafe_b64encode(event_id.bytes + secret).decode()


def _why_not(event_id: UUID) -> WorkflowError:
    found = event_tokens.state_of(event_id)
    if found is None:
        return EventNotFound(f"there is no event {event_id}")
    event, workflow = found
    if event == "created" and workflow != "in_progress":
        return WorkflowNotRunning(f"the workflow of event {event_id} is {workflow}, so nobody would take the event")
    return EventAlreadySent(f"event {event_id} has been sent before")


def send_by_token(token: str, value: Any = None, *, error: str | None = None, from_outside: bool = True) -> UUID:
    """Send the event that ``token`` was issued for; returns the event's id. The token is used up by it.

    ``from_outside``: the value consists of JSON values, as a client sent it. One error, ``EventTokenInvalid``, says
    that the token is malformed, unknown, replaced, used or expired: whoever guesses learns nothing more. With a valid
    token also ``InvalidArguments`` or ``WorkflowNotRunning`` is raised; nothing is changed then, and the token stays.
    """
    event_id, given = _parts(token)
    del token  # who looks at this call's variables in a traceback must not be able to send the event
    _check(event_id, given, locked=False)
    try:
        return send_event(
            None,
            None,
            value,
            error=error,
            event_id=event_id,
            from_outside=from_outside,
            # What was valid before may have been replaced, or have expired, while others had the workflow's row.
            allowed=lambda: _check(event_id, given, locked=True),
        )
    except (EventAlreadySent, EventNotFound):
        raise EventTokenInvalid(_INVALID) from None


def _check(event_id: UUID, given: str, *, locked: bool) -> None:
    stored = event_tokens.valid_hash(event_id, locked=locked)
    # Compared also where there is none, so that both take as long.
    if not constant_time_compare(given, stored or "0" * 64):
        raise EventTokenInvalid(_INVALID)


def _parts(token: object) -> tuple[UUID, str]:
    """The event's id, and the hash of the token's secret."""
    try:
        if not isinstance(token, str) or len(token) != 64 or not token.isascii():
            raise ValueError
        data = base64.b64decode(token, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != _ID_BYTES + _SECRET_BYTES:
        raise EventTokenInvalid(_INVALID)
    return UUID(bytes=data[:_ID_BYTES]), _hash(data[_ID_BYTES:])


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
