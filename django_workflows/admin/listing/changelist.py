"""Reads, for all workflows on a page of the list at once, what each of them shows."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from ...core.attempts import StepHistory, read_failure
from ...core.journal import WorkflowState
from ...engine.overview import waits_of
from ...models import Workflow
from ...store import listings
from ...store.database import now
from ..permissions import PAYLOAD, may
from .cells import MOST_OPEN, Listed


class Listing(ChangeList):
    """A change list whose rows carry a ``listed``."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.is_cut = getattr(self.paginator, "is_cut", False)
        look_at(self.result_list, may_see=may(request, PAYLOAD))


def look_at(rows: Sequence[Workflow], *, may_see: bool) -> None:
    """Give each row its ``listed``, with four statements for all; ``may_see``: with what errors say."""
    read_at = now()
    running = [row.id for row in rows if row.state == WorkflowState.IN_PROGRESS]
    ended = [row.id for row in rows if row.state == WorkflowState.FAILED]
    open_rows = listings.open_steps(running, MOST_OPEN) if running else {}
    errors = listings.failures(ended) if ended else {}
    failed = listings.failed_attempts(row.id for row in rows) if rows else {}
    for row in rows:
        steps = [StepHistory.of(each) for each in open_rows.get(row.id, ())]
        row.listed = Listed(  # type: ignore[attr-defined]
            now=read_at,
            waits=waits_of(row, steps, read_at),
            open_steps=steps,
            failed_attempts=failed.get(row.id, 0),
            error=read_failure(errors.get(row.id)),
            may_see=may_see,
        )
