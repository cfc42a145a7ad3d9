"""Reads what a page shows of its rows: of a long journal, only these steps with arguments, attempts and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from ...core.attempts import StepHistory
from ...core.journal import StepKind, StepState
from ...core.rows import Row
from ...core.traces import Told
from ...engine.sketch import Sketch, children_of
from ...store.payloads import step_payloads
from ...store.traces import read_histories
from ..payloads import READ
from ..permissions import PAYLOAD, may
from .selection import Selected

#: So many members of a group that failed are named.
NAMED = 5


@dataclass(frozen=True)
class Shown:
    """The rows of a page. ``columns`` are those of the steps that have a row of their own, by number.

    ``failed`` are members of groups that failed, and ``children`` child workflows, each by number of the step.
    """

    rows: tuple[Row, ...]
    columns: Mapping[int, Mapping[str, Any]]
    histories: Mapping[int, StepHistory]
    failed: Mapping[int, StepHistory]
    children: Mapping[int, UUID]


def shown(request: HttpRequest, journal: Sketch, selected: Selected, waited: Sequence[int]) -> Shown:
    """What a page needs to tell its rows, and the children among the steps that are ``waited`` for."""
    workflow_id = journal.workflow.id
    alone = selected.rows.alone()
    columns = step_payloads(workflow_id, alone, READ if may(request, PAYLOAD) else 0)
    histories = {number: StepHistory.of(found, tracebacks=True) for number, found in columns.items()}
    parents = [number for number, step in histories.items() if step.kind == StepKind.WORKFLOW]
    wanted = {*parents, *waited}
    rows = selected.rows.retold(histories)[:]
    return Shown(
        rows=rows,
        columns=columns,
        histories=histories,
        failed=read_histories(workflow_id, [step.number for row in rows for step in failed_members(row)]),
        children=children_of(workflow_id, sorted(wanted), journal.visible) if wanted else {},
    )


def failed_members(row: Row) -> Iterator[Told]:
    """The first members of a group that failed, for good or in between."""
    if row.is_group and row.depth == 0:
        failed = (step for step in row.steps if step.failed_attempts or step.state == StepState.FAILED)
        yield from islice(failed, NAMED)
