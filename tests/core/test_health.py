"""What is called stalled, growing or well, from what was measured."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from django_workflows.core.health import Health, QueueHealth, judge_queue, problems

PATIENCE = timedelta(seconds=15)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


@pytest.mark.parametrize(
    ("waited", "workers", "busy", "worked", "stalled", "growing"),
    [
        (None, 2, 0, None, False, False),  # nothing is due
        (14, 0, 0, None, False, False),  # not yet for long
        (16, 0, 0, None, True, False),  # nobody is there
        (16, 2, 0, 16, True, False),  # idle workers take nothing: a wedge
        (16, 2, 0, None, True, False),  # they never took any
        (16, 2, 1, 16, True, False),  # one works, the other takes nothing
        (16, 2, 2, 16, False, True),  # all have long steps
        (16, 2, 0, 3, False, True),  # many short ones
    ],
)
def test_a_queue_is_stalled_when_nobody_takes_what_is_due(
    waited: float | None, workers: int, busy: int, worked: float | None, stalled: bool, growing: bool
) -> None:
    queue = QueueHealth("", 3, seconds(waited), workers, busy, seconds(worked), None)
    assert judge_queue(queue, PATIENCE) == (stalled, growing)


def codes(health: Health) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in problems(health)]


def test_problems_come_with_the_worst_first_and_a_way_out() -> None:
    well = QueueHealth("", 0, None, 1, 0, None, None)
    waits = QueueHealth("mail", 7, seconds(40), 2, 0, seconds(50), seconds(1), stalled=True)
    gone = QueueHealth("slow", 1, seconds(40), 0, 0, None, seconds(100), stalled=True)
    late = QueueHealth("fast", 9000, seconds(40), 2, 2, seconds(0), seconds(1), growing=True)
    health = Health(NOW, queues=(late, waits, gone, well), blocked=2, clock_skew=seconds(-61))
    found = list(problems(health))
    assert [problem.code for problem in found] == ["stalled", "no_workers", "growing", "blocked", "clock_skew"]
    assert [problem.queue for problem in found[:3]] == ["mail", "slow", "fast"]
    assert "7 due on queue 'mail', for 40 s" in found[0].message
    assert "--name slow" in found[1].hint
    assert "61 s behind" in found[4].message
    assert all(problem.hint for problem in found)


def test_only_what_stops_work_is_critical() -> None:
    health = Health(NOW, blocked=1, clock_skew=seconds(100), lost=())
    assert codes(health) == [("blocked", "warning"), ("idle", "warning"), ("clock_skew", "warning")]
    assert replace(health, problems=tuple(problems(health))).ok
    broken = Health(NOW, database_error="gone")
    assert codes(broken) == [("database", "critical")]
    assert not replace(broken, problems=tuple(problems(broken))).ok
