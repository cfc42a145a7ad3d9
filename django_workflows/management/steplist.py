"""Lists the steps of a workflow as text: a line for each or for a group, and one for every attempt worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from ..core.attempts import AttemptState
from ..core.rows import Row
from ..core.timeline import human
from ..core.traces import Told
from ..words.masked import masked_json, masked_text
from ..words.sentences import attempt_words, error_words, progress_words, state_words
from ..words.texts import PREVIEW
from .journals import Journal
from .terminal import Terminal
from .texts import aligned, plural, preview, printable

_NAME = 60
#: So many failed members of a group are named.
_NAMED = 3


class StepList:
    """Writes rows; ``everything``: with payloads, tracebacks and whole messages."""

    def __init__(self, terminal: Terminal, journal: Journal, *, everything: bool) -> None:
        self._terminal, self._journal, self._everything = terminal, journal, everything
        self._limit = None if everything else PREVIEW

    def lines(self, rows: Sequence[Row]) -> Iterator[list[str]]:
        """The lines of each row."""
        # Numbers stand at the right, but for those of nested steps, which would not stand below each other.
        right = [0, 4] if all(row.depth == 0 for row in rows) else [4]
        for row, cells in zip(rows, aligned([_cells(row) for row in rows], right=right, widest=_NAME), strict=True):
            cells[3] = self._terminal.paint(row.state, cells[3])
            indent = " " * (len(cells[0]) + 4)
            yield ["  ".join(cells).rstrip(), *(f"{indent}{line}" for line in self._details(row))]

    def _details(self, row: Row) -> Iterator[str]:
        if row.is_group:
            yield from self._of_group(row)
            return
        step = row.steps[0]
        if words := progress_words(step):
            yield f"progress: {words}"
        if row.depth == 0 and row.number in self._journal.children:
            yield f"workflow {self._journal.children[row.number]}"
        yield from self._attempts(step)
        if self._everything and row.depth == 0:
            yield from self._payloads(step)

    def _attempts(self, step: Told) -> Iterator[str]:
        if not step.attempts and step.error is not None:
            yield f"failed: {error_words(step.error, self._limit)}"
            yield from self._traceback(step.error.traceback)
        if len(step.attempts) == 1 and step.attempts[0].state in _PLAIN:
            return
        for attempt, following in zip_longest(step.attempts, step.attempts[1:]):
            yield attempt_words(attempt, following, self._journal.now, self._limit)
            if attempt.error is not None:
                yield from self._traceback(attempt.error.traceback)

    def _traceback(self, text: str) -> Iterator[str]:
        yield from (f"  {printable(line)}" for line in masked_text(text).splitlines())

    def _payloads(self, step: Told) -> Iterator[str]:
        payloads = self._journal.payloads[step.number]
        yield f"arguments: {printable(masked_json(payloads['args']))}"
        if payloads["result"] is not None:
            yield f"result: {printable(masked_json(payloads['result']))}"

    def _of_group(self, row: Row) -> Iterator[str]:
        failed = (step for step in row.steps if step.failed_attempts or step.error is not None)
        for step in islice(failed, _NAMED):
            errors = [attempt.error for attempt in step.attempts if attempt.error is not None]
            error = step.error or (errors[-1] if errors else None)
            yield (
                f"step {step.number} {state_words(step.state)}, {plural(step.failed_attempts, 'failed attempt')}: "
                + (error_words(error, self._limit))
            )
        if rest := sum(1 for _ in failed):
            yield f"and {plural(rest, 'more step')} with failed attempts; --all shows them"


#: An only attempt in one of these states says no more than its step.
_PLAIN = (AttemptState.COMPLETED, AttemptState.QUEUED, AttemptState.RUNNING, AttemptState.CANCELED)


def _cells(row: Row) -> tuple[str, ...]:
    duration = "" if row.duration is None else human(row.duration)
    attempts = plural(row.attempts, "attempt") if row.attempts > len(row.steps) else ""
    return (_numbers(row), f"{'  ' * row.depth}{_title(row)}", row.kind, _state(row), duration, attempts)


def _numbers(row: Row) -> str:
    return ".".join(map(str, row.path))


def _title(row: Row) -> str:
    name = preview(row.name)
    return f"{name} x {len(row.steps):,}" if row.is_group else name


def _state(row: Row) -> str:
    if not row.is_group:
        return row.state
    return ", ".join(f"{count:,} {'ok' if state == 'completed' else state}" for state, count in row.counts.items())
