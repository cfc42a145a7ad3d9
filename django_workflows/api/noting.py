"""Notes in the admin's log what a user did over the API, so that a workflow's page shows both ways alike."""

from __future__ import annotations

from uuid import UUID

from ..engine.audit import CHANGE, Note

#: Behind each note, in every language.
_HERE = "(API)"


def noting(workflow_id: UUID, name: str, message: str, flag: int = CHANGE) -> Note:
    """That this was done to a workflow of that name. A workflow that ended by it may be gone meanwhile."""
    return Note([(workflow_id, f"{name} {workflow_id}")], f"{message} {_HERE}", flag)
