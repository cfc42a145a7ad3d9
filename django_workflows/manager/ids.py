"""Ids of workflows and events, from what users write."""

from __future__ import annotations

from typing import Literal, overload
from uuid import UUID

from ..exceptions import EventNotFound, WorkflowNotFound


@overload
def event_id_of(event_id: UUID | str | None) -> UUID | None: ...
@overload
def event_id_of(event_id: UUID | str | None, *, needed: Literal[True]) -> UUID: ...
def event_id_of(event_id: UUID | str | None, *, needed: bool = False) -> UUID | None:
    if isinstance(event_id, UUID) or (event_id is None and not needed):
        return event_id
    try:
        return UUID(event_id)
    except (ValueError, AttributeError, TypeError):
        raise EventNotFound(f"{event_id!r:.100} is not the id of an event") from None


def as_id(workflow_id: UUID | str) -> UUID:
    """An id from a UUID or its text; ``WorkflowNotFound`` if it is neither, for then there is no such workflow."""
    if isinstance(workflow_id, UUID):
        return workflow_id
    try:
        return UUID(workflow_id)
    except (ValueError, AttributeError, TypeError):
        raise WorkflowNotFound(f"{workflow_id!r:.100} is not the id of a workflow") from None
