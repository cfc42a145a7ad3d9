"""Which rows of a timeline a page shows: a part of them, the members of one group, children folded away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ...core.attempts import StepHistory
from ...core.rows import Rows
from ...core.timeline import Timeline
from ...core.traces import Told
from ...engine.sketch import Sketch

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
    rows: Rows
    total: int
    pages: int
    page: int
    group_name: str = ""


def select(journal: Sketch, wanted: Selection) -> Selected:
    """Lay the journal out, and take the rows that were asked for."""
    steps = [_folded(step, wanted) for step in journal.steps] if wanted.folded else journal.steps
    timeline, group_name = journal.laid_out(steps), ""
    members = None if wanted.group is None else timeline.rows.members(wanted.group)
    if members is not None:
        timeline, group_name = journal.laid_out(members, group_size=None), members[0].name
    total = len(timeline.rows)
    pages = max(1, -(-total // PER_PAGE))
    page = min(wanted.page, pages)
    rows = timeline.rows.part((page - 1) * PER_PAGE, page * PER_PAGE)
    return Selected(timeline, rows, total, pages, page, group_name)


def _folded(step: Told, wanted: Selection) -> Told:
    # Only what has steps of its own can be folded, and that is told in full.
    is_folded = isinstance(step, StepHistory) and step.steps and step.number in wanted.folded
    return replace(step, steps=()) if is_folded else step  # type: ignore[type-var]
