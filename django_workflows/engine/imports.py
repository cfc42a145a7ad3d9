"""Takes a history into this database: to be looked at and replayed, never to be run."""

from __future__ import annotations

from uuid import UUID

from ..core.histories import History
from ..core.journal import WorkflowState
from ..exceptions import InvalidArguments
from ..models import uuid7
from ..store import workflows
from ..store.imports import insert_imported
from ..store.once import once

_ENDED = "imported from a history; it is not run"
_UNDER_WAY = "imported from a history, in which it was in progress; it is not run"


def import_history(history: History, *, new_id: bool = False) -> UUID:
    """Store a history that ``whole_history`` has read; the id that it has here: its own, or a new one.

    It is stored as a workflow that has ended, without parent, children, key and ``on_complete``: no worker looks at it,
    and it can be neither canceled, restarted nor sent an event, but cleaned up. ``read_history`` gives the history as
    it was imported. Raises ``InvalidArguments`` if the id is taken, and stores nothing then.
    """
    workflow_id = uuid7() if new_id else history.workflow_id
    note = _UNDER_WAY if history.state == WorkflowState.IN_PROGRESS else _ENDED
    if not once(lambda: insert_imported(workflow_id, history, note), lambda: workflows.version(workflow_id) and True):
        raise InvalidArguments(f"there is a workflow {workflow_id} already; import it under a new id")
    return workflow_id
