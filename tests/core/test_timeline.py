"""The layout of timelines: bars, collapsed gaps, groups, nested steps, durations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from django_workflows.core.attempts import Attempt, AttemptState, StepHistory
from django_workflows.core.bars import _drawn, segments
from django_workflows.core.timeline import Timeline, human, layout
from django_workflows.core.timescale import Scale, Span, collapsible, idle_gaps

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400.0


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


def attempt(number: int, state: str, queued: float, start: float | None, end: float | None) -> Attempt:
    return Attempt(
        number,
        AttemptState(state),
        at(queued),
        None if start is None else at(start),
        None if end is None else at(end),
    )


def ran(
    number: int, start: float, end: float, name: str = "", created: float | None = None, **more: Any
) -> StepHistory:
    """A step that was asked for, taken and begun at ``start``, and went well."""
    return StepHistory(
        number=number,
        kind="action",
        name=name or f"step {number}",
        state="completed",
        created_at=at(start if created is None else created),
        finished_at=at(end),
        attempts=(attempt(1, "completed", start, start, end),),
        **more,
    )


def waited(number: int, start: float, end: float | None, kind: str = "sleep", state: str = "completed") -> StepHistory:
    return StepHistory(
        number=number,
        kind=kind,
        name=kind,
        state=state if end is not None else "waiting",
        created_at=at(start),
        finished_at=None if end is None else at(end),
    )


def tried(*attempts: Attempt, created: float = 0, finished: float | None = None, state: str = "running") -> StepHistory:
    return StepHistory(
        number=0,
        kind="action",
        name="pay",
        state=state,
        created_at=at(created),
        finished_at=None if finished is None else at(finished),
        attempts=attempts,
    )


def bar(step: StepHistory, now: float = 100) -> list[tuple[str, float, float]]:
    return [
        (each.kind.value, (each.start - T0).total_seconds(), (each.end - T0).total_seconds())
        for each in segments(step, at(now))
    ]


def lay_out(*steps: StepHistory, end: float, **options: Any) -> Timeline:
    return layout(steps, begun_at=at(0), finished_at=at(end), now=at(end + 1), **options)


# -- bars


def test_a_step_is_queued_and_then_runs() -> None:
    step = tried(attempt(1, "completed", 0, 2, 5), finished=5, state="completed")
    assert bar(step) == [("queued", 0, 2), ("ran", 2, 5)]


def test_a_scheduled_step_waits_first() -> None:
    step = tried(attempt(1, "completed", 60, 61, 62), finished=62, state="completed")
    assert bar(step) == [("waiting", 0, 60), ("queued", 60, 61), ("ran", 61, 62)]


def test_retries_show_failed_attempts_and_the_pauses_between_them() -> None:
    step = tried(
        attempt(1, "failed", 0, 0, 1),
        attempt(2, "failed", 3, 4, 5),
        attempt(3, "completed", 9, 9, 10),
        finished=10,
        state="completed",
    )
    assert bar(step) == [
        ("failed", 0, 1),
        ("backoff", 1, 3),
        ("queued", 3, 4),
        ("failed", 4, 5),
        ("backoff", 5, 9),
        ("ran", 9, 10),
    ]


def test_a_back_off_that_is_not_over_goes_to_now() -> None:
    step = tried(attempt(1, "failed", 0, 0, 1), attempt(2, "queued", 500, None, None), state="queued")
    assert bar(step, now=100) == [("failed", 0, 1), ("backoff", 1, 100)]


def test_a_running_attempt_goes_to_now() -> None:
    assert bar(tried(attempt(1, "running", 0, 1, None)), now=7) == [("queued", 0, 1), ("running", 1, 7)]


def test_a_step_that_nobody_takes_is_queued_to_now() -> None:
    assert bar(tried(attempt(1, "queued", 0, None, None), state="queued"), now=7) == [("queued", 0, 7)]


def test_a_lost_attempt_lasts_until_the_next_one_began() -> None:
    step = tried(attempt(1, "lost", 0, None, None), attempt(2, "completed", 0, 30, 31), finished=31, state="completed")
    assert bar(step) == [("failed", 0, 30), ("ran", 30, 31)]


def test_a_step_canceled_in_the_queue_never_ran() -> None:
    assert bar(tried(attempt(1, "canceled", 0, None, 4), finished=4, state="canceled")) == [("queued", 0, 4)]


@pytest.mark.parametrize(
    ("kind", "state", "end", "expected"),
    [
        ("sleep", "completed", 9, ("waiting", 0, 9)),
        ("event", "failed", 9, ("waiting", 0, 9)),
        ("event", "waiting", None, ("waiting", 0, 100)),
        ("workflow", "waiting", None, ("running", 0, 100)),
        ("workflow", "completed", 9, ("ran", 0, 9)),
        ("workflow", "failed", 9, ("failed", 0, 9)),
        ("create_event", "completed", 0, ("ran", 0, 0)),
    ],
)
def test_steps_without_attempts_have_one_segment(kind: str, state: str, end: float | None, expected: tuple) -> None:
    assert bar(waited(0, 0, end, kind, state)) == [expected]


def test_an_inline_step_that_took_no_time_leaves_a_mark() -> None:
    assert bar(ran(0, 3, 3)) == [("ran", 3, 3)]


instants = st.floats(-1000, 1000).map(at)


@given(
    created=instants,
    finished=st.none() | instants,
    now=instants,
    attempts=st.lists(
        st.builds(
            Attempt,
            st.just(1),
            st.sampled_from(AttemptState),
            instants,
            st.none() | instants,
            st.none() | instants,
        ),
        max_size=5,
    ),
)
def test_bars_never_go_backwards_whatever_clocks_said(
    created: datetime, finished: datetime | None, now: datetime, attempts: list[Attempt]
) -> None:
    step = StepHistory(0, "action", "x", "running", created, finished, attempts=tuple(attempts))
    edges = [edge for each in segments(step, now) for edge in (each.start, each.end)]
    assert edges == sorted(edges)
    assert all(created <= edge <= max(created, finished or now) for edge in edges)


# -- idle gaps


def test_gaps_are_where_nothing_is_busy() -> None:
    busy = [span(1, 2), span(1.5, 4), span(6, 7)]
    assert idle_gaps(span(0, 10), busy) == [span(0, 1), span(4, 6), span(7, 10)]


def test_what_is_busy_all_the_time_has_no_gaps() -> None:
    assert idle_gaps(span(0, 10), [span(0, 10)]) == []


def test_a_three_day_sleep_is_collapsed() -> None:
    timeline = lay_out(ran(0, 0, 10), waited(1, 10, 3 * DAY), ran(2, 3 * DAY, 3 * DAY + 10), end=3 * DAY + 10)
    assert timeline.gaps == (span(10, 3 * DAY),)
    assert timeline.scale.position(at(10)) > 0.4
    assert timeline.scale.position(at(3 * DAY)) < 0.6


def test_many_equal_sleeps_are_all_collapsed_and_leave_room() -> None:
    steps = [
        step
        for day in range(30)
        for step in (ran(2 * day, day * DAY, day * DAY + 60), waited(2 * day + 1, day * DAY + 60, (day + 1) * DAY))
    ]
    timeline = lay_out(*steps, end=30 * DAY)
    assert len(timeline.gaps) == 30
    busy = sum(
        timeline.scale.position(at(day * DAY + 60)) - timeline.scale.position(at(day * DAY)) for day in range(30)
    )
    assert busy == pytest.approx(0.6)


def test_short_back_offs_are_not_collapsed() -> None:
    step = tried(
        attempt(1, "failed", 0, 0, 0.002),
        attempt(2, "completed", 0.2, 0.2, 0.202),
        finished=0.202,
        state="completed",
    )
    assert lay_out(step, end=0.202).gaps == ()


def test_what_is_busy_enough_is_not_collapsed() -> None:
    assert lay_out(ran(0, 0, 20), waited(1, 20, 100), end=100).gaps == ()


def test_waiting_alone_is_not_collapsed() -> None:
    timeline = lay_out(waited(0, 0, 3 * DAY), end=3 * DAY)
    assert timeline.gaps == ()
    assert timeline.scale.position(at(1.5 * DAY)) == pytest.approx(0.5)


def test_a_child_that_sleeps_is_idle_where_its_steps_are_known() -> None:
    nested = (ran(0, 0, 5), waited(1, 5, DAY), ran(2, DAY, DAY + 5))
    child = StepHistory(0, "workflow", "child", "completed", at(0), at(DAY + 5), steps=nested)
    assert lay_out(child, end=DAY + 5).gaps == (span(5, DAY),)


@given(
    edges=st.lists(st.floats(0, 10 * DAY).map(lambda seconds: round(seconds, 3)), min_size=2, max_size=20, unique=True)
)
def test_positions_rise_with_time_and_lead_back_to_it(edges: list[float]) -> None:
    edges = sorted(edges)
    whole = span(edges[0], edges[-1])
    busy = [span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False)]
    scale = Scale(whole, collapsible(whole, idle_gaps(whole, busy)))
    positions = [scale.position(at(edge)) for edge in edges]
    assert positions[0] == 0.0
    assert positions[-1] == 1.0
    assert positions == sorted(positions)
    for edge, position in zip(edges, positions, strict=True):
        assert abs(scale.instant(position) - at(edge)) < timedelta(seconds=1)


def test_a_workflow_that_took_no_time_has_a_scale() -> None:
    timeline = lay_out(ran(0, 0, 0), end=0)
    assert timeline.scale.position(at(0)) == 0.0
    assert timeline.scale.position(at(1)) == 1.0


# -- rows


def test_a_workflow_without_steps_has_no_rows() -> None:
    assert not lay_out(end=5).rows


def test_rows_say_what_their_steps_are() -> None:
    (row,) = lay_out(
        tried(attempt(1, "failed", 0, 1, 2), attempt(2, "completed", 3, 3, 4), finished=4, state="completed"), end=5
    ).rows
    assert (row.number, row.name, row.kind, row.state) == (0, "pay", "action", "completed")
    assert (row.attempts, row.failed_attempts) == (2, 1)
    assert row.duration == timedelta(seconds=3)
    assert not row.is_group


def test_a_step_that_has_not_begun_has_no_duration() -> None:
    (row,) = lay_out(tried(attempt(1, "queued", 0, None, None), state="queued"), end=5).rows
    assert row.duration is None


def test_an_open_step_lasts_until_now() -> None:
    timeline = layout([tried(attempt(1, "running", 0, 1, None))], begun_at=at(0), finished_at=None, now=at(8))
    assert timeline.rows[0].duration == timedelta(seconds=7)
    assert timeline.whole == span(0, 8)


def siblings(count: int, name: str = "add", first: int = 0, created: float = 0) -> list[StepHistory]:
    return [ran(first + index, index / 100, index / 100 + 1, name, created) for index in range(count)]


def test_many_siblings_share_a_row() -> None:
    running = StepHistory(999, "action", "add", "running", at(0), attempts=(attempt(1, "running", 0, 1, None),))
    failed = [
        StepHistory(n, "action", "add", "failed", at(0), at(2), attempts=(attempt(1, "failed", 0, 1, 2),))
        for n in (997, 998)
    ]
    (row,) = lay_out(*siblings(997), *failed, running, end=12).rows
    assert row.is_group
    assert len(row.steps) == 1000
    assert dict(row.counts) == {"completed": 997, "failed": 2, "running": 1}
    assert row.state == "running"
    assert (row.attempts, row.failed_attempts) == (1000, 2)
    assert row.duration == timedelta(seconds=12)


@pytest.mark.parametrize(("states", "expected"), [("cf", "failed"), ("cc", "completed"), ("cx", "canceled")])
def test_a_group_that_ended_stands_as_its_worst_member(states: str, expected: str) -> None:
    names = {"c": "completed", "f": "failed", "x": "canceled"}
    steps = [StepHistory(n, "action", "add", names[state], at(0), at(1)) for n, state in enumerate(states)]
    (row,) = lay_out(*steps, end=2, group_size=2).rows
    assert row.state == expected


def test_a_few_siblings_keep_a_row_each() -> None:
    assert len(lay_out(*siblings(9), end=2).rows) == 9


def test_every_step_has_a_row_where_groups_are_not_wanted() -> None:
    assert len(lay_out(*siblings(50), end=2, group_size=None).rows) == 50


def test_siblings_of_one_turn_are_grouped_by_name_though_they_alternate() -> None:
    steps = [ran(n, 0, 1, "fetch" if n % 2 else "parse", 0) for n in range(40)]
    rows = lay_out(*steps, end=2).rows
    assert [(row.number, row.name, len(row.steps)) for row in rows] == [(0, "parse", 20), (1, "fetch", 20)]


def test_steps_of_one_name_after_each_other_are_grouped() -> None:
    steps = [ran(n, n, n + 1, "save") for n in range(20)]
    assert len(lay_out(*steps, end=20).rows) == 1


def test_steps_of_one_name_apart_from_each_other_are_not() -> None:
    steps = [ran(n, n, n + 1, "save" if n % 2 else f"other {n}") for n in range(40)]
    assert len(lay_out(*steps, end=40).rows) == 40


def test_rows_keep_the_order_of_their_first_steps() -> None:
    steps = [ran(0, 0, 1, "first"), *siblings(20, first=1, created=1), ran(21, 3, 4, "last")]
    assert [row.name for row in lay_out(*steps, end=4).rows] == ["first", "add", "last"]


def test_a_groups_bar_shows_failures_over_what_went_well() -> None:
    failed = StepHistory(20, "action", "add", "failed", at(0), at(5), attempts=(attempt(1, "failed", 0, 4, 5),))
    (row,) = lay_out(*siblings(20, created=0), failed, end=10).rows
    kinds = [each.kind.value for each in row.segments]
    assert kinds[0] == "ran"
    assert kinds[-1] == "failed"
    edges = [edge for each in row.segments for edge in (each.start, each.end)]
    assert edges == sorted(edges)


def test_a_groups_bar_has_few_segments_however_many_steps_there_are() -> None:
    steps = [ran(n, n * 2, n * 2 + 1, "add", 0) for n in range(5000)]
    (row,) = lay_out(*steps, end=10_000).rows
    assert len(row.segments) <= 400


def test_steps_of_a_child_stand_below_it() -> None:
    child = StepHistory(3, "workflow", "child", "completed", at(0), at(5), steps=(ran(0, 1, 2), ran(1, 2, 3)))
    rows = lay_out(child, end=5).rows
    assert [(row.path, row.depth, row.number) for row in rows] == [((3,), 0, 3), ((3, 0), 1, 0), ((3, 1), 1, 1)]


# -- durations


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.412, "412 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.5, "1.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (679, "11 min 19 s"),
        (3599.99, "1 h"),
        (3600, "1 h"),
        (3 * 3600 + 5 * 60 + 59, "3 h 5 min"),
        (3 * DAY - 1, "2 d 23 h"),
        (3 * DAY, "3 d"),
        (4000 * DAY, "4,000 d"),
    ],
)
def test_durations_are_told_in_one_or_two_units(seconds: float, text: str) -> None:
    assert human(timedelta(seconds=seconds)) == text


@given(st.tuples(*[st.integers(0, 3)] * 4))
def test_a_step_that_went_well_at_once_is_drawn_as_any_other(instants: tuple[int, ...]) -> None:
    created, queued, started, finished = instants
    step = tried(
        attempt(1, "completed", queued, started, finished), created=created, finished=finished, state="completed"
    )
    assert segments(step, at(9)) == _drawn(step, at(9))
