"""Which rows of a timeline a page shows: a part of them, the members of one group, children folded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from ...core.attempts import StepHistory
from ...core.timeline import Row, Timeline, layout
from ...engine.overview import Journal

PER_PAGE = 50


@dataclass(frozen=True)
class Selection:
    """What the reader asked for, as the query of the URL says it: ``p`` (from 1), ``group``, ``fold``."""

    page: int = 1
    group: int | None = None
    folded: frozenset[int] = frozenset()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Selection:
        """What cannot be read counts as not asked for."""
        numbers = (_number(part) for part in query.get("fold", "").split(","))
        folded = frozenset(number for number in numbers if number is not None)
        return cls(max(1, _number(query.get("p", "")) or 1), _number(query.get("group", "")), folded)

    def query(self, **changes: object) -> str:
        """The query for this selection with ``changes``, beginning with ``?``."""
        wanted = replace(self, **changes)  # type: ignore[arg-type]
        parts: dict[str, object] = {}
        if wanted.page > 1:
            parts["p"] = wanted.page
        if wanted.group is not None:
            parts["group"] = wanted.group
        if wanted.folded:
            parts["fold"] = ",".join(map(str, sorted(wanted.folded)))
        return f"?{urlencode(parts)}"

    def toggled(self, number: int) -> str:
        """The query that folds the children of a step away, or shows them again."""
        return self.query(folded=self.folded ^ {number})


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


@dataclass(frozen=True)
class Selected:
    """The rows of one page, of ``total``, and the timeline that they are of."""

    timeline: Timeline
    rows: Sequence[Row]
    total: int
    pages: int
    page: int
    group: Row | None


def select(journal: Journal, wanted: Selection) -> Selected:
    """Lay the journal out, and take the rows that were asked for."""
    timeline = _laid_out(journal, [_folded(step, wanted) for step in journal.steps])
    rows: Sequence[Row] = timeline.rows
    group = next((row for row in rows if row.is_group and row.path == (wanted.group,)), None)
    if group is not None:
        timeline = _laid_out(journal, group.steps, group_size=None)
        rows = timeline.rows
    pages = max(1, -(-len(rows) // PER_PAGE))
    page = min(wanted.page, pages)
    return Selected(timeline, rows[(page - 1) * PER_PAGE : page * PER_PAGE], len(rows), pages, page, group)


def _folded(step: StepHistory, wanted: Selection) -> StepHistory:
    return replace(step, steps=()) if step.steps and step.number in wanted.folded else step


def _laid_out(journal: Journal, steps: Sequence[StepHistory], **options: None) -> Timeline:
    workflow = journal.workflow
    return layout(steps, begun_at=begun_at(journal), finished_at=workflow.finished_at, now=journal.now, **options)


def begun_at(journal: Journal) -> datetime:
    """When the journal begins: that of a workflow that continued as new, with its last beginning."""
    workflow = journal.workflow
    return (workflow.started_at if workflow.continuations else None) or workflow.created_at
