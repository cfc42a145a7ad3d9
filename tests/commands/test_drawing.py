"""Timelines in characters."""

from datetime import UTC, datetime, timedelta

import pytest

from django_workflows.core.attempts import Attempt, AttemptState, StepHistory
from django_workflows.core.timeline import layout
from django_workflows.management.drawing import draw

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400


def step(number: int, start: float, end: float, kind: str = "action") -> StepHistory:
    began, ended = T0 + timedelta(seconds=start), T0 + timedelta(seconds=end)
    attempts = (Attempt(1, AttemptState.COMPLETED, began, began, ended),) if kind == "action" else ()
    return StepHistory(number, kind, f"step{number}", "completed", began, ended, attempts=attempts)


def drawn(*steps: StepHistory, end: float, columns: int = 70, plain: bool = True) -> list[str]:
    timeline = layout(steps, begun_at=T0, finished_at=T0 + timedelta(seconds=end), now=T0)
    return [line.text for line in draw(timeline, timeline.rows, columns=columns, plain=plain)]


def test_bars_stand_below_each_other() -> None:
    assert drawn(step(0, 0, 5), step(1, 5, 10), end=10, columns=36) == [
        "                0             10.0 s",
        "0 step0  5.0 s  ##########",
        "1 step1  5.0 s            ##########",
        "# ran",
    ]


def test_a_mark_is_drawn_even_if_it_took_no_time() -> None:
    _, bar, _ = drawn(step(0, 10, 10), end=10, columns=40)
    assert bar == "0 step0  0 ms  " + " " * 24 + "#"


def test_a_gap_has_its_length_above_it() -> None:
    axis, first, sleep, last, _ = drawn(
        step(0, 0, 10), step(1, 10, 3 * DAY, "sleep"), step(2, 3 * DAY, 3 * DAY + 10), end=3 * DAY + 10, columns=90
    )
    middle = first.index(":")
    assert "<2 d 23 h>" in axis
    assert abs(axis.index("<2 d 23 h>") + 5 - (middle + 2)) <= 2
    assert axis.endswith("3 d")
    assert first.rstrip(":").endswith("#")
    assert sleep.strip().endswith("~")
    assert abs(last.index(":") - middle) <= 1  # a cell that both touch shows what ran


def test_lengths_of_gaps_that_are_too_close_are_left_out() -> None:
    steps = [
        each
        for day in range(30)
        for each in (
            step(2 * day, day * DAY, day * DAY + 60),
            step(2 * day + 1, day * DAY + 60, (day + 1) * DAY, "sleep"),
        )
    ]
    axis, *_ = drawn(*steps, end=30 * DAY, columns=100)
    assert 0 < axis.count("<23 h 59 min>") < 10
    assert len(axis) <= 100


@pytest.mark.parametrize("columns", [1, 20, 79, 300])
def test_no_line_is_wider_than_asked_but_for_the_narrowest_bars(columns: int) -> None:
    axis, bar, _ = drawn(step(0, 0, 10), end=10, columns=columns)
    assert len(axis) == len(bar) == max(columns, len("0 step0  10.0 s  ") + 20)
