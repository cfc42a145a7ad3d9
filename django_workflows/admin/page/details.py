"""What is known of the steps on a page: arguments, result, and every attempt with its error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ...core.attempts import AttemptState, StepHistory
from ...core.journal import Failure
from ...core.rows import Row
from ...core.timeline import human
from ...engine.sketch import Sketch
from ...words.sentences import moment, outcome_words
from ...words.texts import printable, short_name
from ..payloads import Payload, payload, safe_text
from ..permissions import PAYLOAD, RESTART, may
from ..site import link
from ..tracebacks import Traceback, traceback_of
from .buttons import restart_url
from .rows import Line
from .shown import Shown, failed_members

MESSAGE = 2_000


@dataclass(frozen=True)
class Error:
    """An error as far as the user may see it: without the permission only its type."""

    type: str
    message: str
    traceback: Traceback | None


@dataclass(frozen=True)
class AttemptLine:
    """One attempt of a step."""

    number: int
    state: str
    words: str
    began: str
    pause: str
    error: Error | None


@dataclass(frozen=True)
class Member:
    """A member of a group that failed."""

    number: int
    state: str
    error: Error | None


@dataclass(frozen=True)
class Detail:
    """Everything about one row."""

    line: Line
    function: str
    worker: str
    attempts: list[AttemptLine]
    error: Error | None
    arguments: Payload | None
    result: Payload | None
    failed: list[Member]
    restart_url: str

    @property
    def is_open(self) -> bool:
        """Whether it is shown without asking: what failed or is being tried again."""
        return self.line.state == "failed" or bool(self.line.attempts and self.line.state in ("running", "queued"))


def details(request: HttpRequest, journal: Sketch, found: Shown, lines: Sequence[Line]) -> list[Detail]:
    """Those of the rows on a page; the steps of children are told on their own pages."""
    make = _Maker(journal, found, may(request, PAYLOAD), may(request, RESTART))
    return [make.detail(row, line) for row, line in zip(found.rows, lines, strict=True) if row.depth == 0]


class _Maker:
    def __init__(self, journal: Sketch, found: Shown, may_see: bool, may_restart: bool) -> None:
        self._journal, self._shown, self._may_see, self._may_restart = journal, found, may_see, may_restart

    def detail(self, row: Row, line: Line) -> Detail:
        found = self._shown.columns.get(row.number)
        if row.is_group or found is None:
            return Detail(line, "", "", [], None, None, None, list(self._members(row)), "")
        step = self._shown.histories[row.number]
        return Detail(
            line=line,
            function=printable(found["function"]),
            worker=printable(step.claimed_by),
            attempts=list(self._attempts(step)),
            error=None if step.attempts else error_of(step.error, self._may_see),
            arguments=self._payload("args", found) if found["args"] != "{}" else None,
            result=self._payload("result", found),
            failed=[],
            restart_url=restart_url(self._journal.workflow, step.number) if self._may_restart else "",
        )

    def _payload(self, what: str, found: Mapping[str, Any]) -> Payload | None:
        if not self._may_see:
            return None
        url = link("download", self._journal.workflow.id, what) + f"?step={found['number']}"
        return payload(found[what], found[f"{what}_size"] or 0, url)

    def _attempts(self, step: StepHistory) -> Iterator[AttemptLine]:
        for attempt, following in zip_longest(step.attempts, step.attempts[1:]):
            pause = ""
            if following is not None and attempt.finished_at and attempt.state == AttemptState.FAILED:
                pause = human(following.queued_at - attempt.finished_at)
            yield AttemptLine(
                number=attempt.number,
                state=attempt.state,
                words=outcome_words(attempt, self._journal.now),
                began="" if attempt.started_at is None else moment(attempt.started_at),
                pause=pause,
                error=error_of(attempt.error, self._may_see),
            )

    def _members(self, row: Row) -> Iterator[Member]:
        numbers = (member.number for member in failed_members(row))
        for step in filter(None, map(self._shown.failed.get, numbers)):
            errors = [attempt.error for attempt in step.attempts if attempt.error is not None]
            error = step.error or (errors[-1] if errors else None)
            yield Member(step.number, step.state, error_of(error, self._may_see))


def error_of(failure: Failure | None, may_see: bool) -> Error | None:
    """An error for the page."""
    if failure is None:
        return None
    name = printable(short_name(failure.type)) or _("Error")
    if not may_see:
        return Error(name, "", None)
    return Error(name, safe_text(failure.message, MESSAGE), traceback_of(failure.traceback))


def workflow_payload(request: HttpRequest, workflow_id: UUID, what: str, text: str | None) -> Payload | None:
    """Arguments or result of the workflow itself."""
    if text is None or not may(request, PAYLOAD):
        return None
    return payload(text, len(text), link("download", workflow_id, what))
