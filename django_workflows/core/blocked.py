"""What it means that a workflow is blocked: in progress, and not able to advance until something changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BlockedReason(StrEnum):
    """Why a workflow is blocked. The values are stored, and are part of the public interface.

    ``CODE_MISMATCH``: the code asks for something else than the journal recorded, or can no longer read what it
    recorded. ``UNKNOWN_DEFINITION``: no code of its name. ``CRASH_LOOP``: its turns raise, or kill their worker; it is
    retried with back-off, and after ``MAX_DELIVERIES`` claims in a row no more. Where an ``apply`` of the
    setting ``CONTEXT`` raises, it is retried until that works. ``CORRUPT_ROW``: a row that cannot be what was once
    written. ``MISSING_KEY``, ``MISSING_PAYLOAD``: what is needed to read a payload is not there. ``STUCK``: its
    function ran past the limit of one turn without waiting.
    """

    CODE_MISMATCH = "code_mismatch"
    UNKNOWN_DEFINITION = "unknown_definition"
    CRASH_LOOP = "crash_loop"
    CORRUPT_ROW = "corrupt_row"
    MISSING_KEY = "missing_key"
    MISSING_PAYLOAD = "missing_payload"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a workflow is blocked: the reason, and a message for people.

    ``since`` is when it was first blocked for this reason, ``checked_at`` when a worker last found it to be so; both
    are ``None`` where a worker of an earlier version blocked it.
    """

    reason: BlockedReason
    message: str
    since: datetime | None = None
    checked_at: datetime | None = None


def reason_of(stored: str) -> BlockedReason:
    """The reason in a row; where an earlier version wrote it, which knows none, the most frequent one."""
    try:
        return BlockedReason(stored)
    except ValueError:
        return BlockedReason.CODE_MISMATCH
