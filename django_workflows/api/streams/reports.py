"""What became of a workflow since a stream last heard of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from django.db.models import Q, QuerySet

from ...core.journal import OPEN_STATES
from ...engine.invoke import read_only
from ...exceptions import WorkflowNotFound
from ...models import Step
from ...store import steps as step_store
from ...store.database import now
from ...store.glances import Glance
from ..documents import OPEN_LIMIT, STEP_COLUMNS, View, status_document, step_document
from ..reading import Sight, children_of, sight_of

#: How many of the latest steps a stream begins with, beside the open ones.
LATEST = 100
#: What was written this long before a report may have been committed after it.
_OVERLAP = timedelta(seconds=10)
_TIMES = ("created_at", "queued_at", "started_at", "finished_at")


class Document:
    """A document that is made once for each kind of reader, however many there are: masking takes time."""

    def __init__(self, make: Callable[[View], Mapping[str, Any]]) -> None:
        self._make = make
        self._made: dict[View, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, view: View) -> Mapping[str, Any]:
        with self._lock:
            if view not in self._made:
                self._made[view] = self._make(view)
            return self._made[view]


@dataclass(frozen=True)
class Report:
    """A workflow and those of its steps that may have changed, by number. ``sight`` is ``None`` if it is gone.

    The documents are without links and children, which are not the same for everybody.
    """

    sight: Sight | None
    status: Document
    steps: Mapping[int, Document]
    children: Mapping[int, UUID]
    read_at: datetime

    @property
    def glance(self) -> Glance | None:
        return None if self.sight is None else self.sight.glance

    def merged(self, later: Report) -> Report:
        """Both as one: the later workflow, and of each step the later row."""
        return replace(later, steps={**self.steps, **later.steps}, children={**self.children, **later.children})


def read_report(workflow_id: UUID, since: datetime | None) -> Report:
    """What changed after ``since``; ``None``: the open steps and the latest ones. Some may have been told before."""
    with read_only():
        at = now()
        try:
            sight = sight_of(workflow_id)
        except WorkflowNotFound:
            return Report(None, Document(lambda view: {}), {}, {}, at)
        rows = list(_changed(workflow_id, since).values(*STEP_COLUMNS))
        if since is None:
            known = {row["number"] for row in rows}
            rows += [row for row in _latest(workflow_id).values(*STEP_COLUMNS) if row["number"] not in known]
        return Report(
            sight,
            Document(
                lambda view: status_document(sight.workflow, sight.steps, sight.waits, view, {}, sight.still_running)
            ),
            {row["number"]: _step(row) for row in sorted(rows, key=lambda row: row["number"])},
            children_of(workflow_id, rows),
            at,
        )


def first_report(workflow_id: UUID, now: Glance) -> Report:
    """``read_report`` of everything, or that which another stream of a workflow that stands like this began with."""
    known = _firsts.get(workflow_id)
    if known is None or known.glance != now:
        known = _firsts[workflow_id] = read_report(workflow_id, None)
    return known


#: What the streams that are open began with.
_firsts: WeakValueDictionary[UUID, Report] = WeakValueDictionary()


def _step(row: Mapping[str, Any]) -> Document:
    return Document(lambda view: step_document(row, view))


def _changed(workflow_id: UUID, since: datetime | None) -> QuerySet[Step]:
    steps = step_store.queryset(workflow_id)
    if since is None:
        return steps.filter(state__in=OPEN_STATES)[:OPEN_LIMIT]
    wanted = Q(state="running") & ~Q(progress="")
    for column in _TIMES:
        wanted |= Q(**{f"{column}__gte": since - _OVERLAP})
    return steps.filter(wanted)[:10_000]


def _latest(workflow_id: UUID) -> QuerySet[Step]:
    return step_store.queryset(workflow_id).order_by("-number")[:LATEST]


def mark(report: Report) -> str:
    """The id of the last event of a report, from which a stream can go on: version and time."""
    assert report.glance is not None
    micros = int((report.read_at - _EPOCH) / timedelta(microseconds=1))
    return f"{report.glance.generation}.{report.glance.version}.{micros}"


def read_mark(text: str | None) -> tuple[int, int, datetime] | None:
    """Generation, version and time of a ``Last-Event-ID``; ``None`` if there is none, or it is not one of ours."""
    parts = (text or "").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
        return None
    generation, version, micros = map(int, parts)
    try:
        return generation, version, _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
