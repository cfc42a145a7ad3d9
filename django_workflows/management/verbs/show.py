"""Show one workflow: how it stands, what it waits for, its steps with every attempt, and a timeline.

Ten or more steps of one name share a line, payloads are shortened, and of more than 100 lines the first and the last
are shown. --all shows each step by itself, whole payloads and tracebacks. What looks like a secret is masked.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from django.core.management.base import CommandParser

from ...core.attempts import read_failure
from ...core.grouping import GROUP_SIZE
from ...core.histories import IMPORTED
from ...core.rows import Row
from ...core.timeline import Timeline, layout
from ...engine import forgotten
from ...models import Workflow
from ...words.masked import masked_json, masked_text
from ...words.sentences import checked_words, distance, error_words, moment, silence_words, standing, wait_words
from ...words.texts import PREVIEW, shown_key
from ..documents import journal_document
from ..drawing import CHARACTERS, draw
from ..journals import Journal, load
from ..steplist import StepList
from ..terminal import Terminal
from ..texts import plural, preview, printable

#: Of more rows than this, so many at the beginning and at the end are shown.
_ROWS = 100
_WAITS = 20


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--all", action="store_true", help="Every step by itself, whole payloads, and tracebacks.")


def run(terminal: Terminal, options: Namespace) -> None:
    journal = load(options.id, everything=options.all)
    if terminal.json:
        terminal.document(journal_document(journal))
        return
    Page(terminal, journal, everything=options.all).write()


class Page:
    """Everything about one workflow, as text."""

    def __init__(self, terminal: Terminal, journal: Journal, *, everything: bool) -> None:
        self._terminal, self._journal, self._everything = terminal, journal, everything
        self._limit = None if everything else PREVIEW

    def write(self) -> None:
        workflow = self._journal.workflow
        name, state = printable(workflow.name), standing(workflow, self._journal.now)
        self._terminal.line(f"{self._terminal.paint('title', name)}  {self._terminal.paint(workflow.state, state)}")
        for label, text in self._facts(workflow):
            self._terminal.line(f"  {label:<12}{text}")
        self._section("Waiting for", self._waits())
        if self._journal.steps:
            self._write_steps()

    def _facts(self, workflow: Workflow) -> Iterator[tuple[str, str]]:
        yield "id", str(workflow.id)
        if workflow.parent_id is not None:
            yield "parent", f"{workflow.parent_id}, step {workflow.parent_step}"
        if workflow.idempotency_key is not None:
            yield "key", preview(shown_key(workflow.idempotency_key))
        if workflow.queue == IMPORTED:
            yield "imported", workflow.blocked_message
        elif workflow.queue:
            yield "queue", preview(workflow.queue)
        yield from self._times(workflow)
        if workflow.continuations:
            yield "continued", f"as new, {plural(workflow.continuations, 'time')}"
        if restarts := workflow.generation - 1 - workflow.continuations:
            yield "restarted", plural(restarts, "time")
        yield from self._payloads(workflow)
        yield from self._errors(workflow)
        yield from self._forgotten(workflow)

    def _payloads(self, workflow: Workflow) -> Iterator[tuple[str, str]]:
        for label, text in (
            ("arguments", workflow.args),
            ("captured", workflow.captured),
            ("result", workflow.result),
        ):
            if text is not None:
                yield label, preview(masked_json(text), self._limit)

    def _forgotten(self, workflow: Workflow) -> Iterator[tuple[str, str]]:
        if never := forgotten.never_awaited_words(workflow):
            yield "never awaited ", self._terminal.paint("problem", preview(never, self._limit))
        if untaken := forgotten.untaken_words(workflow):
            yield "never taken", self._terminal.paint("problem", f"events: {preview(untaken, self._limit)}")

    def _times(self, workflow: Workflow) -> Iterator[tuple[str, str]]:
        for label, instant in (("created", workflow.created_at), ("scheduled", workflow.scheduled_for)):
            if instant is not None:
                yield label, f"{moment(instant)}, {distance(instant, self._journal.now)}"

    def _errors(self, workflow: Workflow) -> Iterator[tuple[str, str]]:
        for label, text in (("error", workflow.error), ("on_complete", workflow.on_complete_error)):
            found = read_failure(text, tracebacks=self._everything)
            if found is not None:
                yield label, self._terminal.paint("failed", error_words(found, self._limit))
                yield from (("", printable(line)) for line in masked_text(found.traceback).splitlines())

    def _waits(self) -> Iterator[str]:
        for wait in self._journal.waits[:_WAITS]:
            words = wait_words(wait, self._journal.now)
            checked = "" if wait.blocked is None else checked_words(wait.blocked, self._journal.now)
            yield f"{words} ({checked})" if checked else words
        if rest := len(self._journal.waits) - _WAITS if len(self._journal.waits) > _WAITS else 0:
            yield f"and {rest:,} more"
        for sentence in silence_words(self._journal.silence):
            yield self._terminal.paint("warning", sentence)

    def _write_steps(self) -> None:
        workflow = self._journal.workflow
        timeline = layout(
            self._journal.steps,
            # The journal of one that continued as new begins with its last beginning.
            begun_at=(workflow.started_at if workflow.continuations else None) or workflow.created_at,
            finished_at=workflow.finished_at,
            now=self._journal.now,
            group_size=None if self._everything else GROUP_SIZE,
        )
        rows, left_out = self._visible(timeline.rows)
        listed = StepList(self._terminal, self._journal, everything=self._everything).lines(rows)
        self._section("Steps", (line for lines in self._cut(listed, left_out) for line in lines))
        self._section("Timeline", self._drawn(timeline, rows, left_out))

    def _drawn(self, timeline: Timeline, rows: Sequence[Row], left_out: int) -> Iterator[str]:
        plain = not self._terminal.can_show(CHARACTERS)
        axis, *lines, legend = draw(timeline, rows, columns=self._terminal.columns - 3, plain=plain)
        yield axis.text
        painted = ([self._terminal.paint(line.state, line.text)] for line in lines)
        for found in self._cut(painted, left_out):
            yield from found
        yield legend.text

    def _visible(self, rows: Sequence[Row]) -> tuple[Sequence[Row], int]:
        """The rows to show, and how many are left out in their middle."""
        if self._everything or len(rows) <= _ROWS:
            return rows, 0
        return [*rows[: _ROWS // 2], *rows[-_ROWS // 2 :]], len(rows) - _ROWS

    def _cut(self, found: Iterator[list[str]], left_out: int) -> Iterator[list[str]]:
        for index, lines in enumerate(found):
            if left_out and index == _ROWS // 2:
                yield [f"... {plural(left_out, 'line')} left out; --all shows them"]
            yield lines

    def _section(self, title: str, lines: Iterator[str]) -> None:
        for index, line in enumerate(lines):
            if index == 0:
                self._terminal.line(f"\n{self._terminal.paint('title', title)}")
            self._terminal.line(f"  {line}")
