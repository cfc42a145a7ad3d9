"""Notes in the admin's log what a user did over the API, so that a workflow's page shows both ways alike."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..engine import audit

#: Behind each note, in every language.
_HERE = "(API)"


def note(user: Any, workflow_id: UUID, name: str, message: str, flag: int = audit.CHANGE) -> None:
    """Keep that ``user`` did this to a workflow of that name. A workflow that ended by it may be gone meanwhile."""
    audit.note(user, [(workflow_id, f"{name} {workflow_id}")], f"{message} {_HERE}", flag)
