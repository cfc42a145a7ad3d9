"""A failed attempt is tried again as often, as late and for such errors as its policy says."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_workflows import RetryPolicy
from django_workflows.core.commands import StepOptions
from django_workflows.core.definitions import Definition
from django_workflows.core.durations import LONGEST
from django_workflows.core.outcomes import failure_of
from django_workflows.core.retry import asked_delay, dotted_path
from django_workflows.exceptions import InvalidStep, RetryAfter

from .steps import CardDeclined

NEVER, MIDDLE, ALMOST_ONE = 0.0, 0.5, 1 - 2**-53


async def handler(step: Any) -> None: ...


def seconds(policy: RetryPolicy, *attempts: int, uniform: float = MIDDLE) -> list[float | None]:
    delays = [policy.delay(attempt, uniform) for attempt in attempts]
    return [None if delay is None else delay.total_seconds() for delay in delays]


def test_each_wait_is_a_multiple_of_the_one_before() -> None:
    policy = RetryPolicy(max_attempts=5, initial_backoff=0.1, base=2)
    assert seconds(policy, 1, 2, 3, 4, 5, 6) == [0.1, 0.2, 0.4, 0.8, None, None]


def test_one_attempt_is_never_repeated() -> None:
    assert RetryPolicy(max_attempts=1).delay(1, MIDDLE) is None


def test_waits_are_no_longer_than_the_longest() -> None:
    policy = RetryPolicy(
        max_attempts=100, initial_backoff=timedelta(seconds=1), base=10, max_backoff=timedelta(hours=1)
    )
    assert seconds(policy, 3, 4, 5, 99) == [100.0, 1000.0, 3600.0, 3600.0]


@pytest.mark.parametrize("base", [2, 2.0, math.inf])
def test_the_attempts_may_be_many(base: float) -> None:
    policy = RetryPolicy(max_attempts=100_000, initial_backoff=0.5, base=base, max_backoff=60)
    assert seconds(policy, 1, 99_999) == [0.5, 60.0]


@pytest.mark.parametrize("base", [1, 2, 2.0, math.inf])
def test_no_wait_is_no_wait_for_ever(base: float) -> None:
    policy = RetryPolicy(max_attempts=100_000, initial_backoff=0, base=base)
    assert seconds(policy, 1, 2, 99_999) == [0.0, 0.0, 0.0]


def test_jitter_spreads_the_waits_evenly_around_the_backoff() -> None:
    policy = RetryPolicy(initial_backoff=10, jitter=0.5)
    assert seconds(policy, 1, uniform=0.0) == [5.0]
    assert seconds(policy, 1, uniform=0.25) == [7.5]
    assert seconds(policy, 1, uniform=ALMOST_ONE) == [15.0]
    assert seconds(RetryPolicy(initial_backoff=10, jitter=0), 1, uniform=0.9) == [10.0]
    assert seconds(RetryPolicy(initial_backoff=10, jitter=1), 1, uniform=0.0) == [0.0]


@given(
    max_attempts=st.integers(1, 10**9),
    initial_backoff=st.floats(0, LONGEST),
    base=st.floats(1, allow_nan=False),
    jitter=st.floats(0, 1),
    max_backoff=st.floats(0, LONGEST),
    attempt=st.integers(1, 10**9),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_every_policy_gives_a_wait_that_a_calendar_holds(attempt: int, uniform: float, **fields: Any) -> None:
    policy = RetryPolicy(**fields)
    delay = policy.delay(attempt, uniform)
    if attempt >= policy.max_attempts:
        assert delay is None
    else:
        assert delay is not None
        assert timedelta(0) <= delay <= timedelta(seconds=LONGEST)
    assert RetryPolicy.from_json(json.loads(json.dumps(policy.to_json()))).delay(attempt, uniform) == delay


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_attempts": 0}, "max_attempts must be an int of at least 1, got 0"),
        ({"max_attempts": True}, "max_attempts must be an int of at least 1, got True"),
        ({"max_attempts": 2.0}, "max_attempts must be an int of at least 1, got 2.0"),
        ({"base": 0.5}, "base must be a number of at least 1, got 0.5"),
        ({"base": math.nan}, "base must be a number of at least 1, got nan"),
        ({"base": "2"}, "base must be a number of at least 1, got '2'"),
        ({"jitter": 1.1}, "jitter must lie between 0 and 1, got 1.1"),
        ({"jitter": -0.1}, "jitter must lie between 0 and 1, got -0.1"),
        ({"jitter": math.nan}, "jitter must lie between 0 and 1, got nan"),
        ({"jitter": "full"}, "jitter must lie between 0 and 1, got 'full'"),
        ({"initial_backoff": -1}, "initial_backoff: must lie between 0 and 5,000 years, got -1"),
        ({"max_backoff": math.inf}, "max_backoff: must lie between 0 and 5,000 years, got inf"),
        ({"max_backoff": None}, "max_backoff: a timedelta or a number of seconds is needed, got None"),
        ({"retry_on": ValueError}, "retry_on must be a list of exception types or their dotted names, got"),
        ({"never_on": "ValueError"}, "never_on must be a list of exception types or their dotted names, got"),
        ({"never_on": [3]}, "never_on must be a list of exception types or their dotted names, got"),
        ({"retry_on": [ValueError("an instance")]}, "retry_on must be a list of exception types"),
        ({"retry_on": [int]}, "retry_on must be a list of exception types"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_policy_that_makes_no_sense_is_refused_where_it_is_made(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidStep) as raised:
        RetryPolicy(**fields)
    assert str(raised.value).startswith(f"RetryPolicy: {said}")


def types_of(error: BaseException) -> list[str]:
    """What a journal knows of an exception's types."""
    kept = failure_of(error)
    return [kept.type, *kept.bases]


@pytest.mark.parametrize(
    ("policy", "error", "covered"),
    [
        (RetryPolicy(), CardDeclined(), True),
        (RetryPolicy(retry_on=[ValueError]), CardDeclined(), True),
        (RetryPolicy(retry_on=[CardDeclined]), CardDeclined(), True),
        (RetryPolicy(retry_on=[CardDeclined]), ValueError(), False),
        (RetryPolicy(retry_on=["tests.core.steps.CardDeclined"]), CardDeclined(), True),
        (RetryPolicy(retry_on=["ValueError", KeyError]), CardDeclined(), True),
        (RetryPolicy(retry_on=("builtins.ValueError",)), CardDeclined(), True),
        (RetryPolicy(retry_on=[OSError]), ConnectionResetError(), True),
        (RetryPolicy(retry_on=[OSError]), ValueError(), False),
        (RetryPolicy(never_on=[ValueError]), CardDeclined(), False),
        (RetryPolicy(never_on=["CardDeclined"]), CardDeclined(), True),
        (RetryPolicy(never_on=[KeyError]), CardDeclined(), True),
        (RetryPolicy(retry_on=[Exception], never_on=[CardDeclined]), CardDeclined(), False),
        (RetryPolicy(retry_on=[Exception], never_on=[CardDeclined]), ValueError(), True),
        (RetryPolicy(retry_on=[Exception]), SystemExit(), False),
    ],
)
def test_only_errors_that_the_policy_covers_are_tried_again(
    policy: RetryPolicy, error: BaseException, covered: bool
) -> None:
    assert policy.covers(types_of(error)) is covered
    stored = RetryPolicy.from_json(json.loads(json.dumps(policy.to_json())))
    assert stored.covers(types_of(error)) is covered, "also as the step's row carries it"


def test_a_policy_travels_in_plain_json() -> None:
    policy = RetryPolicy(
        3, timedelta(seconds=1), 3, 0.0, timedelta(minutes=1), retry_on=[OSError], never_on=["KeyError"]
    )
    assert policy.to_json() == {
        "max_attempts": 3,
        "initial_backoff": 1.0,
        "base": 3,
        "jitter": 0.0,
        "max_backoff": 60.0,
        "retry_on": ["builtins.OSError"],
        "never_on": ["builtins.KeyError"],
    }
    assert RetryPolicy.from_json(RetryPolicy().to_json()) == RetryPolicy()


def test_dotted_paths_name_classes_and_functions() -> None:
    assert dotted_path(CardDeclined) == "tests.core.steps.CardDeclined"
    assert dotted_path(ValueError) == "builtins.ValueError"
    assert dotted_path(types_of) == "tests.core.test_retry.types_of"


@pytest.mark.parametrize(
    ("by_default", "wanted", "attempts"),
    [
        (False, None, None),
        (False, False, None),
        (False, True, 7),
        (True, None, 7),
        (True, False, None),
        (True, True, 7),
        (False, RetryPolicy(max_attempts=2), 2),
        (True, RetryPolicy(max_attempts=2), 2),
    ],
)
def test_a_step_says_whether_it_is_tried_again_or_else_its_workflow_does(
    by_default: bool, wanted: bool | RetryPolicy | None, attempts: int | None
) -> None:
    definition = Definition(name="flow", handler=handler, retry_actions=by_default, retry=RetryPolicy(max_attempts=7))
    policy = definition.retry_policy(StepOptions(retry=wanted), action=True)
    assert (policy and policy.max_attempts) == attempts
    other = definition.retry_policy(StepOptions(retry=wanted), action=False)
    assert other == (policy if wanted else None), "the default is that of actions"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        *[(3, 3.0), (0, 0.0), (2.5, 2.5), ("7", 7.0), (timedelta(minutes=1), 60.0), ("inf", LONGEST)],
        *[(-1, None), (True, None), (None, None), (float("nan"), None), (object(), None)],
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_what_an_error_asks_for(asked, seconds):
    error = Exception()
    error.retry_after = asked
    assert asked_delay(error) == seconds


def test_an_error_whose_attribute_cannot_be_read_asks_for_nothing():
    class Hostile(Exception):
        @property
        def retry_after(self):
            raise RuntimeError

    assert asked_delay(Hostile()) is None
    assert asked_delay(Exception()) is None


@pytest.mark.parametrize("seconds", [-1, True, "x", float("nan"), 10**9, None])
def test_retry_after_refuses_what_is_no_time(seconds):
    with pytest.raises(ValueError, match="RetryAfter"):
        RetryAfter(seconds)


def test_a_policy_keeps_its_longest_time():
    policy = RetryPolicy(max_elapsed=timedelta(minutes=2))
    assert RetryPolicy.from_json(policy.to_json()) == RetryPolicy(max_elapsed=120.0)
    assert policy.delay(1, 0.5, asked=119, elapsed=1) == timedelta(seconds=119)
    assert policy.delay(1, 0.5, asked=119, elapsed=1.5) is None
