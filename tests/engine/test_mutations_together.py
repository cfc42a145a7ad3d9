"""Quick mutations of several workflows share a transaction, and none can tell, nor be harmed by another."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_workflows import Completed, Failed, WorkflowContext, WorkflowManager
from django_workflows.core.journal import StepKind
from django_workflows.engine import mutate_together, observe
from django_workflows.engine.drain import drain
from django_workflows.engine.pace import QUICK_MUTATION, Pace, pace
from django_workflows.engine.worker import Worker
from django_workflows.models import Step, Workflow
from tests.app.models import Counter, Effect
from tests.engine.dying import each_death
from tests.engine.test_batches import commits, results, step_of
from tests.waiting import PATIENCE

workflow = WorkflowManager()
#: What a mutation does besides, once for each key.
besides: dict[str, Callable[[], object]] = {}
called: list[str] = []


def insert(key: str) -> object:
    called.append(key)
    Effect.objects.create(key=key)
    extra = besides.pop(key, None)
    return extra() if extra is not None else None


async def insert_async(key: str) -> None:
    await Effect.objects.acreate(key=key)


def note(key: str) -> str:
    called.append(key)
    return key


def told(workflow_id: object, result: object, context: str) -> None:
    Effect.objects.create(key=f"told {context}")
    extra = besides.pop(f"told {context}", None)
    if extra is not None:
        extra()


@workflow.define(name="together.writes")
async def writes(step: WorkflowContext, name: str, count: int) -> list[object]:
    return [await step.run_mutation(insert, f"{name}-{number}") for number in range(count)]


@workflow.define(name="together.mixed")
async def mixed(step: WorkflowContext, name: str, count: int) -> None:
    for number in range(count):
        await step.run_action(note, f"{name}-{number}")
        await step.run_mutation(insert, f"{name}-{number}")


@workflow.define(name="together.asynchronous")
async def asynchronous(step: WorkflowContext, name: str) -> None:
    await step.run_mutation(insert_async, name)


@workflow.define(name="together.forgives")
async def forgives(step: WorkflowContext, name: str) -> str:
    try:
        await step.run_mutation(insert, f"{name}-0")
    except Exception as error:  # noqa: BLE001
        await step.run_mutation(insert, f"{name}-1")
        return str(error)
    return "went well"


@workflow.define(name="together.side_by_side")
async def side_by_side(step: WorkflowContext, name: str, count: int) -> None:
    await asyncio.gather(*(step.run_mutation(insert, f"{name}-{number}") for number in range(count)))


@workflow.define(name="together.family")
async def family(step: WorkflowContext, names: list[str]) -> None:
    for name in names:
        await step.run_workflow(writes, name, 1)


@pytest.fixture(autouse=True)
def together() -> Iterator[None]:
    besides.clear()
    called.clear()
    pace.be(16)
    yield
    pace.be(None)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """How many mutations each transaction was tried with, and whether it held."""
    seen: list[tuple[int, bool]] = []
    run = mutate_together.MutationsTogether.run

    def noted(self, steps):
        try:
            mine = run(self, steps)
        except BaseException:
            seen.append((len(steps), False))
            raise
        seen.append((len(steps), True))
        return mine

    monkeypatch.setattr(mutate_together.MutationsTogether, "run", noted)
    return seen


def run() -> int:
    return drain(Worker(batches=True), seconds=PATIENCE)


def keys() -> list[str]:
    return list(Effect.objects.order_by("key").values_list("key", flat=True))


def all_keys(names: str, count: int) -> list[str]:
    return [f"{name}-{number}" for name in names for number in range(count)]


def start(names: str = "abcd", count: int = 2) -> list[object]:
    return writes.start_many([(name, count) for name in names])


def attempts() -> set[tuple[str, int]]:
    return set(Step.objects.values_list("state", "attempt"))


# -- what it is for


def test_a_round_of_mutations_is_one_commit() -> None:
    ids = start("abcdefghijklmnop", 4)
    with CaptureQueriesContext(connection) as queries:
        run()
    assert results(ids) == [[None] * 4] * 16
    assert keys() == all_keys("abcdefghijklmnop", 4)
    if connection.vendor == "sqlite":
        assert commits(queries) <= 16
    else:
        begun = [query["sql"] for query in queries.captured_queries].count("BEGIN")
        assert begun <= 6, "a transaction for each round, and what claims take"


def test_a_mutation_and_its_entry_are_committed_together(elsewhere) -> None:
    ids = start()
    seen: list[object] = []

    def look() -> None:
        seen.append(elsewhere(lambda: (keys(), Step.objects.filter(state="completed").count())))

    besides["d-0"] = look
    besides["d-1"] = look
    run()
    assert seen == [([], 0), (all_keys("abcd", 1), 4)]
    assert results(ids) == [[None, None]] * 4


def test_actions_and_mutations_of_one_round_both_get_on(shared) -> None:
    ids = [*mixed.start_many([(name, 2) for name in "abc"]), *start("def")]
    run()
    assert results(ids) == [None] * 3 + [[None, None]] * 3
    assert keys() == all_keys("abcdef", 2)
    assert sorted(called) == sorted([*all_keys("abc", 2), *all_keys("abcdef", 2)])
    assert all(held for _, held in shared)


def test_mutations_of_one_workflow_that_run_side_by_side(shared) -> None:
    ids = [side_by_side.start("a", 6), side_by_side.start("b", 6)]
    run()
    assert results(ids) == [None, None]
    assert keys() == all_keys("ab", 6)
    assert any(count > 1 for count, _ in shared)
    assert attempts() == {("completed", 1)}


def test_a_parent_and_a_callback_are_told_in_the_shared_transaction(shared) -> None:
    ids = [family.start(["a", "b"]), family.start(["c", "d"])]
    ids += [writes.with_options(on_complete=told, context=name).start(name, 1) for name in "ef"]
    run()
    assert [isinstance(observe.status(each), Completed) for each in ids] == [True] * 4
    assert keys() == [*all_keys("abcdef", 1), "told e", "told f"]
    assert any(count > 1 and held for count, held in shared)


# -- when one of them is in the way


def test_one_that_fails_is_undone_and_the_others_are_kept(shared) -> None:
    def fail() -> None:
        raise ValueError("no money")

    ids = [*start("ab", 1), forgives.start("c"), *start("d", 1)]
    besides["c-0"] = fail
    run()
    # The first time its transaction was rolled back with it; the second time it did not fail.
    assert shared[0] == (4, False)
    assert results(ids) == [[None], [None], "went well", [None]]
    assert keys() == [*all_keys("abcd", 1)]


def test_one_that_always_fails_fails_once_for_its_workflow() -> None:
    Effect.objects.create(key="c-0")  # which its first mutation would insert as well
    ids = [*start("ab", 1), forgives.start("c"), *start("d", 1)]
    run()
    assert [results(ids)[place] for place in (0, 1, 3)] == [[None]] * 3
    assert "unique" in str(results(ids)[2]).lower()
    assert keys() == ["a-0", "b-0", "c-0", "c-1", "d-0"]
    failed = Step.objects.get(state="failed")
    assert (failed.workflow_id, failed.attempt, failed.number) == (ids[2], 1, 0)


@pytest.mark.postgres  # SQLite has no other writer beside a transaction
def test_one_whose_workflow_is_canceled_meanwhile_leaves_nothing(elsewhere, shared) -> None:
    ids = start()
    besides["a-0"] = lambda: elsewhere(lambda: workflow.cancel(ids[2]))
    run()
    assert shared[0] == (4, False)
    assert results(ids) == [[None, None], [None, None], "canceled", [None, None]]
    done = Step.objects.filter(workflow_id=ids[2], state="completed").count()
    assert keys() == sorted([*all_keys("abd", 2), *all_keys("c", done)])


@pytest.mark.postgres
def test_one_whose_attempt_is_somebody_elses_by_now_leaves_nothing(elsewhere, shared) -> None:
    ids = start()
    taken = Step.objects.filter(workflow_id=ids[2], state="running")
    besides["a-0"] = lambda: elsewhere(lambda: taken.update(attempt=2))
    run()
    assert shared[0] == (4, False)
    assert [results(ids)[place] for place in (0, 1, 3)] == [[None, None]] * 3
    assert keys() == all_keys("abd", 2)
    taken.update(due_at="2020-01-01T00:00:00Z", attempt=0, state="queued")
    run()
    assert keys() == all_keys("abcd", 2)


def test_one_that_broke_its_transaction_breaks_no_other(shared) -> None:
    Effect.objects.create(key="taken")

    def swallow() -> None:
        besides["b-0"] = swallow
        with suppress(Exception):
            Effect.objects.create(key="taken")

    ids = start("abc", 1)
    besides["b-0"] = swallow
    run()
    assert shared == [(3, False)]
    assert keys() == ["a-0", "c-0", "taken"]
    assert [results(ids)[place] for place in (0, 2)] == [[None]] * 2
    assert observe.status(ids[1]).error_type == "django.db.transaction.TransactionManagementError"


def test_one_that_takes_its_time_keeps_the_others_for_a_moment_only(elsewhere, shared, hurry) -> None:
    hurry()
    ids = start("abcd", 1)
    done: list[int] = []

    def stall() -> None:
        besides["b-0"] = stall
        time.sleep(0.3)
        done.append(elsewhere(lambda: Step.objects.filter(state="completed").count()))

    besides["b-0"] = stall
    run()
    assert shared[0] == (4, False)
    assert done == [1], "it did not come to this in the shared transaction, and the one before it was then by itself"
    assert results(ids) == [[None]] * 4
    assert keys() == all_keys("abcd", 1)


def test_a_coroutine_is_never_among_them(shared) -> None:
    ids = asynchronous.start_many([(name,) for name in "abcd"])
    run()
    assert results(ids) == [None] * 4
    assert keys() == list("abcd")
    assert shared == []


# -- what one leaves behind in its transaction


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "SET LOCAL app.tenant = 'a'",
        "SELECT set_config('app.tenant', 'a', true)",
        "/* the tenant */ SET LOCAL app.tenant = 'a'",
    ],
)
def test_a_setting_of_one_is_not_there_for_the_next(statement: str) -> None:
    def set_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def read_it() -> str | None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.tenant', true)")
            return cursor.fetchone()[0] or None

    def again(key: str, do: Callable[[], object]) -> Callable[[], object]:
        def always() -> object:
            besides[key] = always  # each time that it is called
            return do()

        return always

    ids = start("ab", 1)
    besides.update({"a-0": again("a-0", set_it), "b-0": again("b-0", read_it)})
    run()
    assert results(ids) == [[None], [None]]
    assert keys() == all_keys("ab", 1)


@pytest.mark.parametrize("made", [lambda call: call, partial], ids=["function", "partial"])
def test_a_hook_that_fails_keeps_no_other_from_being_called(made, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def hook(name: str) -> Callable[[], None]:
        def call() -> None:
            seen.append(name)
            if name == "a":
                raise RuntimeError("this hook is broken")

        def register() -> None:
            besides[f"told {name}"] = register
            transaction.on_commit(made(call))

        return register

    for name in "abc":
        besides[f"told {name}"] = hook(name)
    ids = [writes.with_options(on_complete=told, context=name).start(name, 1) for name in "abc"]
    with caplog.at_level(logging.ERROR):
        run()
    assert results(ids) == [[None]] * 3
    assert sorted(seen) == ["a", "b", "c"]
    assert "this hook is broken" in caplog.text


def test_a_mutation_with_a_hook_is_alone(shared) -> None:
    seen: list[str] = []

    def register() -> None:
        besides["a-0"] = register
        transaction.on_commit(lambda: seen.append("called"))

    ids = start("abc", 1)
    besides["a-0"] = register
    run()
    assert results(ids) == [[None]] * 3
    assert seen == ["called"]
    assert shared == [(3, False)]


# -- locks


@pytest.fixture
def release(elsewhere) -> Iterator[threading.Event]:
    """Somebody else has locked the counter "hot", until this is set."""
    Counter.objects.create(name="hot")
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Counter.objects.select_for_update().get(name="hot")
            locked.set()
            release.wait(PATIENCE)

    holder = threading.Thread(target=lambda: elsewhere(hold))
    holder.start()
    assert locked.wait(PATIENCE)
    yield release
    release.set()
    holder.join()


@pytest.mark.postgres
def test_a_row_that_somebody_else_has_locked_keeps_only_its_own_workflow_waiting(elsewhere, release) -> None:
    ids = start("abcd", 1)
    done: list[int] = []

    def touch() -> None:
        besides["b-0"] = touch
        if called.count("b-0") == 2:  # alone by now
            done.append(elsewhere(lambda: Step.objects.filter(state="completed").count()))
            release.set()
        Counter.objects.filter(name="hot").update(value=1)

    besides["b-0"] = touch
    run()
    assert results(ids) == [[None]] * 4
    assert keys() == all_keys("abcd", 1)
    assert Counter.objects.get(name="hot").value == 1
    assert done == [1], "the one before it was written by itself"


@pytest.mark.postgres
def test_the_limit_on_waiting_for_locks_is_not_seen_by_the_function(release) -> None:
    ids = start("ab", 1)

    def careful() -> str:
        besides["a-0"] = careful
        if called.count("a-0") == 2:
            threading.Timer(0.2, release.set).start()
        try:
            with transaction.atomic():
                Counter.objects.select_for_update().get(name="hot")
        except OperationalError:
            return "busy"
        return "waited"

    besides["a-0"] = careful
    run()
    assert results(ids) == [["waited"], [None]]


# -- when the worker ends


def test_the_process_dies_at_every_statement() -> None:
    def begin() -> list[object]:
        Workflow.objects.all().delete()
        Effect.objects.all().delete()
        return [*mixed.start_many([(name, 1) for name in "ab"]), *start("cd", 2)]

    for ids, where in each_death(begin, run):
        run()
        actions = [observe.status(each) for each in ids[:2]]
        # An action whose worker died has failed, since it is not retried; a mutation is never lost.
        lost = [status for status in actions if isinstance(status, Failed)]
        assert all("AttemptLost" in status.error_type for status in lost), where
        assert results(ids)[2:] == [[None, None]] * 2, where
        written = [key for key in keys() if key[0] in "cd"]
        assert written == all_keys("cd", 2), where
        completed = Step.objects.filter(kind=StepKind.MUTATION, state="completed").count()
        assert len(keys()) == completed, where


def test_when_django_q2_ends_a_task_the_others_are_given_back(shared) -> None:
    from django_workflows.engine.dispatch import interrupts

    (interrupt, *_) = interrupts()
    ids = start("abcd", 1)

    def end() -> None:
        raise interrupt

    besides["b-0"] = end
    with pytest.raises(interrupt):
        run()
    assert keys() == []
    assert sorted(Step.objects.values_list("state", "attempt")) == [("failed", 1), *[("queued", 0)] * 3]
    run()
    assert [results(ids)[place] for place in (0, 2, 3)] == [[None]] * 3
    assert keys() == ["a-0", "c-0", "d-0"]


# -- which may


def test_a_mutation_is_quick_if_its_statements_are() -> None:
    found = Pace()
    for _ in range(2):
        found.note(step_of("a", "mutation"), QUICK_MUTATION / 2)
    assert found.is_quick("a")
    found.note(step_of("a", "mutation"), QUICK_MUTATION * 2)
    assert not found.is_quick("a")


@pytest.mark.parametrize(
    ("function", "quick"), [("insert", True), ("insert_async", False), ("insert_with_hook", False), ("locks", False)]
)
def test_a_function_is_watched_before_it_is_ever_put_with_others(function: str, quick: bool, monkeypatch) -> None:
    pace.be(None)
    monkeypatch.setattr("django_workflows.engine.pace.QUICK_MUTATION", 10.0)
    if function == "insert_async":
        asynchronous.start_many([(name,) for name in "abc"])
    else:
        start("abc", 1)
    for name in "abc":
        if function == "insert_with_hook":
            besides[f"{name}-0"] = lambda: transaction.on_commit(lambda: None)
        if function == "locks":
            besides[f"{name}-0"] = odd
    drain(Worker(), seconds=PATIENCE)
    (path,) = set(Step.objects.values_list("function", flat=True))
    assert pace.is_quick(path) is quick


def odd() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA user_version" if connection.vendor == "sqlite" else "SET LOCAL work_mem = '4MB'")
