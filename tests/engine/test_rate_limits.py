"""``rate_limit``: how many steps of a manager begin in a span of time, whoever runs them."""

import asyncio
import itertools
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from django_workflows import Canceled, Completed, InvalidDefinition, RetryPolicy, WorkflowContext, WorkflowManager
from django_workflows.core.registry import registry
from django_workflows.engine import dispatch
from django_workflows.engine.advance import take_turn
from django_workflows.engine.run_step import run_step
from django_workflows.models import Pool, PoolStart, Step, Workflow
from django_workflows.store import workflows
from tests.app import steps
from tests.conftest import VENDOR
from tests.engine.conftest import Elsewhere
from tests.engine.driver import advance, claim, finish, run

MINUTE = timedelta(minutes=1)
rated = WorkflowManager(rate_limit=(3, MINUTE), name="tests.rated")
narrow = WorkflowManager(rate_limit=(3, 60), max_parallelism=2, name="tests.rated.narrow")
busy = WorkflowManager(rate_limit=(5, 0.2), name="tests.rated.busy")
begun: list[datetime] = []


def note_start(number: int) -> int:
    note_admission()
    return number


def note_admission() -> None:
    """When the step that is run was admitted: its function begins a little later."""
    begun.append(PoolStart.objects.latest("at").at)


def fail_twice(name: str) -> int:
    note_admission()
    return steps.fail_until(name, 3)


async def _spread(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(note_start, 1) for _ in range(count))))


@rated.define
async def rated_spread(step: WorkflowContext, count: int) -> int:
    return await _spread(step, count)


@narrow.define
async def narrow_spread(step: WorkflowContext, count: int) -> int:
    return await _spread(step, count)


@busy.define
async def busy_spread(step: WorkflowContext, count: int) -> int:
    return await _spread(step, count)


@rated.define
async def rated_retries(step: WorkflowContext) -> list[int]:
    again = step.with_options(retry=RetryPolicy(max_attempts=3, initial_backoff=0.1, jitter=0))
    return list(await asyncio.gather(*(again.run_action(fail_twice, name) for name in "ab")))


@rated.define(rate_limit=(1, 10), name="tests.rated alone")
async def rated_alone(step: WorkflowContext, count: int) -> int:
    return await _spread(step, count)


@pytest.fixture(autouse=True)
def nothing_begun() -> None:
    begun.clear()


def started(definition: Any, count: int, **options: Any) -> UUID:
    """A workflow that has asked for ``count`` steps, of which none was claimed."""
    workflow_id: UUID = definition.with_options(**options).start(count)
    take_turn(workflow_id, None, None)
    return workflow_id


def waiting(workflow_id: UUID) -> int:
    return Step.objects.filter(workflow=workflow_id, state="queued", due_at=None).count()


def in_any_span(count: int, span: timedelta) -> None:
    """Assert that no more than ``count`` began in any span of that length, and that none waited for nothing."""
    starts = sorted(begun)
    for first, beyond in zip(starts, starts[count:], strict=False):
        assert beyond - first >= span, f"{count + 1} began within {beyond - first}"


def test_no_more_steps_begin_in_a_span_than_the_rate_allows() -> None:
    started(rated_spread, 5)
    assert [claim() is not None for _ in range(5)] == [True, True, True, False, False]
    advance(MINUTE / 2)
    assert claim() is None
    advance(MINUTE / 2)
    assert [claim() is not None for _ in range(4)] == [True, True, True, False], "one is an attempt that was lost"


@pytest.mark.parametrize("replaying", [False, True])
def test_all_get_their_turn_each_at_the_first_moment_that_the_rate_allows(replaying: bool) -> None:
    assert finish(rated_spread.start(10), replaying=replaying) == Completed(10)
    in_any_span(3, MINUTE)
    assert len(begun) == 10
    assert begun[-1] - begun[0] < 3 * MINUTE + timedelta(seconds=55), "no slot was left unused"
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}


def test_a_step_that_waits_for_its_turn_costs_nothing() -> None:
    workflow_id = started(rated_spread, 30)
    run()
    assert waiting(workflow_id) == 26, "all but the one that comes next"
    seconds = workflows.next_due("")
    assert seconds is not None
    assert 30 < seconds <= 60
    assert run() == 0


def test_who_comes_next_is_told_to_whoever_wakes_workers() -> None:
    told: list[tuple[str, float, int]] = []

    class Listening(dispatch.NoDispatcher):
        def wake(self, queue: str, seconds: float, count: int) -> None:
            told.append((queue, seconds, count))

    started(rated_spread, 5)
    before = dispatch.use(Listening())
    try:
        run()
    finally:
        dispatch.use(before)
    assert [(queue, count) for queue, seconds, count in told if 30 < seconds <= 60] == [("", 1)]


def test_a_higher_priority_has_the_next_turn() -> None:
    started(rated_spread, 5)
    run()
    second = started(rated_spread, 1, priority=5)
    assert claim() is None
    advance(MINUTE)
    step = claim()
    assert step is not None
    assert step.workflow_id == second


def test_the_limits_on_how_many_run_and_on_how_many_begin_hold_together() -> None:
    started(narrow_spread, 6)
    first, second = claim(), claim()
    assert first is not None
    assert second is not None
    assert claim() is None, "two run"
    run_step(first, None)
    third = claim()
    assert third is not None
    run_step(second, None)
    run_step(third, None)
    assert claim() is None, "nobody runs, and three have begun"
    advance(MINUTE)
    assert [claim() is not None for _ in range(3)] == [True, True, False], "two run again"


def test_with_both_limits_all_get_their_turn() -> None:
    assert finish(narrow_spread.start(8)) == Completed(8)
    in_any_span(3, MINUTE)


def test_each_attempt_counts() -> None:
    assert finish(rated_retries.start()) == Completed([3, 3])
    assert len(begun) == 6
    in_any_span(3, MINUTE)


def test_a_step_that_is_given_up_leaves_its_turn_to_the_next() -> None:
    first = started(rated_spread, 4)
    run()
    second = started(rated_spread, 1)
    assert claim() is None
    assert (waiting(first), waiting(second)) == (0, 1)
    rated.cancel(first)
    assert rated.status(first) == Canceled()
    assert waiting(second) == 0
    assert finish(second) == Completed(1)
    in_any_span(3, MINUTE)


def test_a_definition_with_a_rate_of_its_own_counts_alone() -> None:
    started(rated_spread, 3)
    run()
    assert finish(rated_alone.start(2)) == Completed(2)
    assert begun[-1] - begun[-2] >= timedelta(seconds=10)


def test_other_pools_are_not_held_up() -> None:
    started(rated_spread, 5)
    started(narrow_spread, 1)
    run()
    assert len(begun) == 4


def test_old_starts_are_forgotten() -> None:
    finish(rated_spread.start(9))
    assert PoolStart.objects.count() <= 6


# -- changed at run time


def test_a_rate_in_the_database_overrides_that_of_the_code() -> None:
    Pool.objects.create(name="tests.rated", rate_limit=1, rate_period=timedelta(seconds=10))
    assert finish(rated_spread.start(3)) == Completed(3)
    in_any_span(1, timedelta(seconds=10))
    assert begun[-1] - begun[0] < timedelta(seconds=29)


def test_a_higher_rate_holds_at_once() -> None:
    workflow_id = started(rated_spread, 10)
    run()
    pool = Pool.objects.get(name="tests.rated")
    pool.rate_limit, pool.rate_period = 5, MINUTE
    pool.save()
    assert waiting(workflow_id) == 5, "two more may begin"
    run()
    assert waiting(workflow_id) == 4, "and one comes next"
    assert len(begun) == 5
    pool.rate_limit, pool.rate_period = 100, timedelta(seconds=1)
    pool.save()
    run()
    assert rated.status(workflow_id) == Completed(10)


def test_a_higher_max_parallelism_holds_at_once() -> None:
    started(narrow_spread, 4)
    claim(), claim(), claim()
    Pool.objects.filter(name="tests.rated.narrow").update(max_parallelism=3)
    assert claim() is None, "nobody was told"
    Pool.objects.get(name="tests.rated.narrow").save()
    assert claim() is not None


def test_a_lower_rate_holds_at_once() -> None:
    started(rated_spread, 10)
    run()
    Pool.objects.filter(name="tests.rated").update(rate_limit=1, rate_period=MINUTE)
    advance(MINUTE)
    assert [claim() is not None for _ in range(2)] == [True, False]


def test_a_rate_needs_both_its_halves() -> None:
    with pytest.raises(ValidationError, match="both"):
        Pool(name="x", rate_limit=3).full_clean()
    with pytest.raises(ValidationError, match="millisecond"):
        Pool(name="x", rate_limit=3, rate_period=timedelta(0)).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Pool.objects.create(name="x", rate_limit=3)


@pytest.mark.parametrize(
    ("rate_limit", "message"),
    [
        (100, "a pair of a count and a duration"),
        ((100,), "a pair"),
        (("100", MINUTE), "an int of at least 1"),
        ((0, MINUTE), "an int of at least 1"),
        ((True, MINUTE), "an int of at least 1"),
        ((3, "minute"), "a timedelta or a number of seconds"),
        ((3, -1), "between 0 and"),
        ((3, 0), "a millisecond at least"),
        ((3, float("nan")), "between 0 and"),
    ],
)
def test_a_rate_that_makes_no_sense_is_an_error(rate_limit: Any, message: str) -> None:
    with pytest.raises(InvalidDefinition, match=message):
        WorkflowManager(rate_limit=rate_limit)
    with pytest.raises(InvalidDefinition, match=message):
        rated.define(rate_limit=rate_limit)(_spread)


# -- over several workers


def test_exact_over_several_workers(elsewhere: Elsewhere) -> None:
    ids = [busy_spread.start(12), busy_spread.start(8)]
    for _ in range(200):
        assert not [each for each in elsewhere.together([run] * 3) if isinstance(each, BaseException)]
        if not Workflow.objects.filter(state="in_progress").exists():
            break
    assert [busy.status(each) for each in ids] == [Completed(12), Completed(8)]
    # The moment that counts is the one at which a start was admitted; the function begins a little later.
    admitted = sorted(PoolStart.objects.filter(pool="tests.rated.busy").values_list("at", flat=True))
    for first, beyond in zip(admitted, admitted[5:], strict=False):
        assert beyond - first >= timedelta(seconds=0.2)
    assert len(begun) == 20


# -- what it costs


def _plan(sql: str, params: list[Any]) -> str:
    with connection.cursor() as cursor:
        if VENDOR == "postgres":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            return json.dumps(cursor.fetchone()[0])
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return "\n".join(row[-1] for row in cursor.fetchall())


def test_a_start_looks_at_few_rows_however_many_wait() -> None:
    started(rated_spread, 4)
    run()
    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params))
        return execute(sql, params, many, context)

    advance(MINUTE)
    with connection.execute_wrapper(note):
        assert claim() is not None
    table = Step._meta.db_table
    looks = [(sql, params) for sql, params in seen if table in sql and "pool = " in sql]
    assert len(looks) >= 2
    with transaction.atomic():
        for sql, params in looks:
            plan = _plan(sql, params)
            assert "dwf_step_pool" in plan, (sql, plan)
            assert "Seq Scan" not in plan
            assert f"SCAN {table}" not in plan
            assert "TEMP B-TREE" not in plan


def test_the_number_of_statements_per_start_does_not_grow_with_those_that_wait() -> None:
    counts = []
    for size, pool in itertools.product((10, 200), [registry.pools["tests.rated"]]):
        assert pool.starts == 3
        workflow_id = started(rated_spread, size)
        run()
        advance(MINUTE)
        seen: list[str] = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any, seen: list[str] = seen) -> Any:
            seen.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            claim()
        counts.append(len(seen))
        rated.cancel(workflow_id, force=True)
        advance(10 * MINUTE)
    assert counts[0] == counts[1]
