"""When cron expressions are due, held against clocks that are read minute by minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_workflows.q2.cron import is_repetition, next_time

MINUTE = timedelta(minutes=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = [
    "Europe/Berlin",
    "Europe/Dublin",  # its summer time is its standard time
    "America/New_York",
    "America/Havana",  # changes at midnight
    "America/Sao_Paulo",  # changes no more
    "America/Santiago",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Auckland",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",  # goes back for Ramadan
    "UTC",
]
#: The hours and minutes of a day at which each is due, and whether it runs through when clocks change.
FIXED = {
    "30 2 * * *": ([2], [30]),
    "15 2 * * *": ([2], [15]),
    "0 2 * * *": ([2], [0]),
    "0 0 * * *": ([0], [0]),
    "30 0 * * *": ([0], [30]),
    "59 1 * * *": ([1], [59]),
    "0 3 * * *": ([3], [0]),
    "10,50 1-3 * * *": ([1, 2, 3], [10, 50]),
    "*/20 2,23 * * *": ([2, 23], [0, 20, 40]),
    "@daily": ([0], [0]),
}
RUNNING_THROUGH = {
    "*/15 * * * *": (range(24), [0, 15, 30, 45]),
    "30 * * * *": (range(24), [30]),
    "30 */2 * * *": (range(0, 24, 2), [30]),
    "0 1-23/3 * * *": (range(1, 24, 3), [0]),
    "45 0-23 * * *": (range(24), [45]),
    "@hourly": (range(24), [0]),
}


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The hours of 2026 to 2030 within which the clocks of a zone change, and one without a change."""
    hour, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    yield datetime(2026, 5, 14, tzinfo=UTC)
    while hour < last:
        later = hour + timedelta(hours=1)
        if hour.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            yield hour
        hour = later


def clock(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def minutes_around(change: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Each minute of the night and of the day of a change, with what the clocks show then."""
    first = change - timedelta(hours=8)
    return [(at, clock(at, zone)) for at in (first + index * MINUTE for index in range(24 * 60))]


def due_once(minutes: list[tuple[datetime, datetime]]) -> list[tuple[datetime, list[datetime]]]:
    """By the rule in its own words: each minute with the times that the clocks have come to."""
    due, latest = [], minutes[0][1]
    for at, shown in minutes[1:]:
        due.append((at, [latest + index * MINUTE for index in range(1, int((shown - latest) / MINUTE) + 1)]))
        latest = max(latest, shown)
    return due


def due_whenever_shown(minutes: list[tuple[datetime, datetime]]) -> list[tuple[datetime, list[datetime]]]:
    return [(at, [shown]) for at, shown in minutes[1:]]


def times(expression: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    found = [next_time(expression, zone, after)]
    while found[-1] <= until:
        found.append(next_time(expression, zone, found[-1]))
    return found[:-1]


@pytest.mark.parametrize("name", ZONES)
def test_whatever_the_clocks_do(name: str) -> None:
    zone = ZoneInfo(name)
    for change in changes(zone):
        minutes = minutes_around(change, zone)
        first, last = minutes[0][0], minutes[-1][0]
        for rule, expressions in ((due_once, FIXED), (due_whenever_shown, RUNNING_THROUGH)):
            shown = rule(minutes)
            for expression, (hours, at_minutes) in expressions.items():
                expected = [at for at, walls in shown if any(w.hour in hours and w.minute in at_minutes for w in walls)]
                assert times(expression, zone, first, last) == expected, f"{expression} around {change}"


@given(
    name=st.sampled_from(ZONES),
    expression=st.sampled_from([*FIXED, *RUNNING_THROUGH]),
    after=st.integers(0, 5 * 365 * 86400 * 10).map(lambda tenths: BEGIN + timedelta(seconds=tenths / 10)),
)
def test_it_comes_after_and_whoever_asks_in_between_hears_the_same(name: str, expression: str, after: datetime) -> None:
    zone = ZoneInfo(name)
    found = next_time(expression, zone, after)
    assert after < found < after + timedelta(hours=26)
    assert found.second == found.microsecond == 0
    assert next_time(expression, zone, after + (found - after) / 2) == found
    assert next_time(expression, zone, found - timedelta(microseconds=1)) == found
    assert not is_repetition(expression, zone, found)


def test_half_past_two_in_berlin() -> None:
    zone = ZoneInfo("Europe/Berlin")
    autumn = times("30 2 * * *", zone, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC))
    assert [each.astimezone(zone).isoformat() for each in autumn] == [
        "2026-10-24T02:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    again = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert is_repetition("30 2 * * *", zone, again)
    assert not is_repetition("30 2 * * *", zone, again - timedelta(hours=1))
    assert not is_repetition("30 * * * *", zone, again)
    assert not is_repetition("31 2 * * *", zone, again), "somebody set the time by hand"
    spring = times("30 2 * * *", zone, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert [each.astimezone(zone).isoformat() for each in spring] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_days_and_months_count_as_the_clocks_show_them() -> None:
    zone = ZoneInfo("Pacific/Auckland")
    found = times("0 9 1 * *", zone, datetime(2026, 1, 15, tzinfo=UTC), datetime(2027, 1, 15, tzinfo=UTC))
    assert [clock(each, zone).day for each in found] == [1] * 12
    assert {clock(each, zone).hour for each in found} == {9}
    assert all(a < b for a, b in pairwise(found))


def test_an_hour_that_runs_through_a_day_of_the_year_is_met_the_first_time_that_it_is_shown() -> None:
    zone = ZoneInfo("America/Havana")
    (change,) = (each for each in changes(zone) if each.year == 2026 and each.month == 11)
    day = clock(change, zone)
    found = next_time(f"30 * {day.day} {day.month} *", zone, datetime(2026, 1, 1, tzinfo=UTC))
    assert found.astimezone(zone).fold == 0
    assert clock(found, zone).hour == 0


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "not cron", "61 * * * *"])
def test_what_is_never_due_is_an_error(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        next_time(expression, ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC))
