"""Steps told in short: as exact as their histories where there was one attempt, else near enough."""

from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from django_workflows.core.attempts import StepHistory
from django_workflows.core.bars import busy, segments
from django_workflows.core.journal import StepKind
from django_workflows.core.timeline import layout
from django_workflows.core.traces import TRACE_COLUMNS, TRACE_INSTANTS, Trace, traces
from django_workflows.core.waiting import waits
from tests.core.test_attempts import at, failure, row


def trace(**changes: Any) -> Trace:
    columns = row(**changes)
    before = (
        columns["failures"] != "[]" or columns["attempt"] > 1 or (columns["attempt"] and columns["state"] == "queued")
    )
    texts = (None if columns[name] is None else str(columns[name]) for name in TRACE_INSTANTS)
    (found,) = traces([(*(columns[name] for name in TRACE_COLUMNS), *texts, before)])
    return found


instants = st.integers(-3, 9).map(at)
SOMETHING = ("number", "kind", "name", "state", "created_at", "finished_at", "due_at", "queue", "max_attempts")
DERIVED = ("started_at", "failed_attempts", "latest_attempt", "attempts", "steps")


@st.composite
def rows(draw: st.DrawFn, number: int = 0) -> dict[str, Any]:
    """A step that had one attempt at the most, at times that several clocks may have told."""
    state = draw(st.sampled_from(["queued", "running", "waiting", "completed", "failed", "canceled"]))
    return row(
        number=number,
        name=draw(st.sampled_from(["pay", "send"])),
        kind=draw(st.sampled_from([str(kind) for kind in StepKind])),
        state=state,
        attempt=0 if state == "queued" else draw(st.integers(0, 1)),
        created_at=draw(instants),
        queued_at=draw(instants),
        started_at=draw(st.none() | instants),
        finished_at=draw(st.none() | instants),
        due_at=draw(st.none() | instants),
        options=draw(st.sampled_from(["{}", '{"retry": {"max_attempts": 5}}', "nonsense"])),
    )


@given(rows(), instants)
def test_a_trace_tells_what_the_history_of_its_row_tells(columns: dict[str, Any], now: datetime) -> None:
    told, history = trace(**columns), StepHistory.of(columns)
    assert not told.tried_before
    for name in (*SOMETHING, *DERIVED):
        assert getattr(told, name) == getattr(history, name), name
    assert segments(told, now) == segments(history, now)
    assert busy([told], now) == busy([history], now)


@given(st.integers(1, 30).flatmap(lambda count: st.tuples(*(rows(number) for number in range(count)))), instants)
def test_a_timeline_of_traces_is_that_of_the_histories(found: tuple[dict[str, Any], ...], now: datetime) -> None:
    short, long = [trace(**each) for each in found], [StepHistory.of(each) for each in found]
    one, other = (layout(steps, begun_at=at(0), finished_at=None, now=now, group_size=3) for steps in (short, long))
    assert one.gaps == other.gaps
    for told, history in zip(one.rows, other.rows, strict=True):
        for name in ("path", "duration", "segments", "counts", "state", "failed_attempts", "attempts"):
            assert getattr(told, name) == getattr(history, name), name
    standing = {"blocked": None, "started_at": at(0), "due_at": None, "queue": "", "now": now}
    assert waits(short, **standing) == waits(long, **standing)


def test_more_is_told_of_the_rows_that_stand_alone() -> None:
    steps = [trace(number=0, name="first"), *(trace(number=number) for number in range(1, 12))]
    timeline = layout(steps, begun_at=at(0), finished_at=at(9), now=at(9))
    assert timeline.rows.alone() == [0]
    history = StepHistory.of(row(number=0, name="first", progress='[1, 2, "half"]'))
    first, group = timeline.rows.retold({0: history, 1: history})
    assert first.steps == (history,)
    assert len(group.steps) == 11
    members = timeline.rows.members(1)
    assert members is not None
    assert [step.number for step in members] == list(range(1, 12))
    assert timeline.rows.members(0) is None


def test_of_attempts_before_the_last_one_their_number_is_told() -> None:
    said = [failure(1, 0, 1), failure(2, 2, 3)]
    tried = trace(attempt=3, failures=str(said), created_at=at(0), queued_at=at(5), started_at=at(6), finished_at=at(8))
    assert tried.tried_before
    assert tried.failed_attempts == 2
    kinds = [(each.kind.value, each.start, each.end) for each in segments(tried, at(9))]
    assert kinds == [("failed", at(0), at(5)), ("queued", at(5), at(6)), ("ran", at(6), at(8))]
    waiting = trace(state="queued", attempt=2, queued_at=at(50), started_at=at(6), finished_at=None)
    assert (waiting.failed_attempts, waiting.latest_attempt) == (2, 3)
    assert [each.kind.value for each in segments(waiting, at(9))] == ["failed"]


def test_instants_are_read_in_whatever_zone_the_database_tells_them() -> None:
    values = {**row(), **dict.fromkeys(TRACE_INSTANTS, "2026-01-01 02:00:00.25+01:30")}
    (found,) = traces([(*(values[name] for name in (*TRACE_COLUMNS, *TRACE_INSTANTS)), False)])
    assert found.created_at == at(0) + timedelta(minutes=30, milliseconds=250)
