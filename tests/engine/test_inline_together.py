"""Turns with quick inline mutations share a transaction, and none can tell, nor be harmed by another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_workflows import Canceled, StepFailed, WorkflowContext, WorkflowManager
from django_workflows.engine import inline_together, observe
from django_workflows.engine.drain import drain
from django_workflows.engine.pace import Pace, pace
from django_workflows.engine.worker import Worker
from django_workflows.models import Event, Step, Workflow
from django_workflows.store.arrays import array
from tests.app.models import Effect
from tests.engine.dying import each_death
from tests.engine.test_batches import results, step_of

workflow = WorkflowManager()
#: What a mutation does besides, each time that it is called with that key.
besides: dict[str, Callable[[], object]] = {}
called: list[str] = []


def insert(key: str) -> str:
    called.append(key)
    Effect.objects.create(key=key)
    extra = besides.get(key)
    if extra is not None:
        extra()
    return key


async def insert_async(key: str) -> str:
    await Effect.objects.acreate(key=key)
    return key


def note(key: str) -> str:
    called.append(key)
    return key


def told(workflow_id: object, result: object, context: str) -> None:
    Effect.objects.create(key=f"told {context}")


@workflow.define(name="inline_together.writes")
async def writes(step: WorkflowContext, name: str, count: int = 2) -> list[str]:
    inline = step.with_options(inline=True)
    return [await inline.run_mutation(insert, f"{name}-{number}") for number in range(count)]


@workflow.define(name="inline_together.forgives")
async def forgives(step: WorkflowContext, name: str) -> str:
    inline = step.with_options(inline=True)
    await inline.run_mutation(insert, f"{name}-0")
    try:
        return await inline.run_mutation(insert, f"{name}-1")
    except StepFailed as error:
        return error.message


def count(name: str) -> int:
    return Effect.objects.filter(key__startswith=name).count()


def insert_as_a_query(key: str) -> None:
    Effect.objects.create(key=key)


@workflow.define(name="inline_together.counts")
async def counts(step: WorkflowContext, name: str) -> list[object]:
    inline = step.with_options(inline=True)
    found: list[object] = [await inline.run_query(count, name)]
    try:
        await inline.run_query(insert_as_a_query, f"{name}-no")
    except StepFailed:
        found.append("refused")
    await inline.run_mutation(insert, f"{name}-0")
    return [*found, await inline.run_query(count, name)]


@workflow.define(name="inline_together.looks")
async def looks(step: WorkflowContext, name: str) -> int:
    inline = step.with_options(inline=True)
    await inline.run_mutation(insert, f"{name}-0")
    return await inline.run_query(count, name)


@workflow.define(name="inline_together.goes_on")
async def goes_on(step: WorkflowContext, name: str) -> list[str]:
    inline = step.with_options(inline=True)
    first = await inline.run_mutation(insert, f"{name}-0")
    second = await step.run_action(note, f"{name}-1")
    third = await inline.run_mutation(insert, f"{name}-2")
    await step.sleep(0.01)
    return [first, second, third, await inline.run_mutation(insert, f"{name}-4")]


@workflow.define(name="inline_together.asks")
async def asks(step: WorkflowContext, name: str) -> list[object]:
    inline = step.with_options(inline=True)
    await inline.run_mutation(insert, f"{name}-0")
    event = await step.create_event("answer")
    answer = await step.await_event("question")
    return [answer, str(event), await inline.run_mutation(insert, f"{name}-3")]


@workflow.define(name="inline_together.family")
async def family(step: WorkflowContext, names: list[str]) -> list[list[str]]:
    await step.with_options(inline=True).run_mutation(insert, f"{names[0]} parent")
    return [await step.run_workflow(writes, name, 1) for name in names]


@workflow.define(name="inline_together.again")
async def again(step: WorkflowContext, name: str, round: int) -> str:
    done = await step.with_options(inline=True).run_mutation(insert, f"{name}-{round}")
    if round < 3:
        step.continue_as_new(name, round + 1)
    return done


@workflow.define(name="inline_together.asynchronous")
async def asynchronous(step: WorkflowContext, name: str) -> str:
    return await step.with_options(inline=True).run_mutation(insert_async, name)


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    besides.clear()
    called.clear()
    pace.be(16)
    # However busy this machine is: what is about time says so.
    monkeypatch.setattr(inline_together, "_ENOUGH", 60.0)
    monkeypatch.setattr(inline_together, "_LONGEST", 60.0)
    yield
    pace.be(None)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Of each transaction: with how many turns it was tried, how many were set apart, how many left for the next."""
    seen: list[tuple[int, int, int]] = []
    run = inline_together.InlineTogether.run

    def noted(self, turns):
        try:
            return run(self, turns)
        finally:
            seen.append((len(turns), len(self.apart), len(self.left)))

    monkeypatch.setattr(inline_together.InlineTogether, "run", noted)
    return seen


def run() -> int:
    return drain(Worker(batches=True), seconds=20)


def keys() -> list[str]:
    return list(Effect.objects.order_by("key").values_list("key", flat=True))


def all_keys(names: str, count: int = 2) -> list[str]:
    return [f"{name}-{number}" for name in names for number in range(count)]


def written(names: str, count: int = 2) -> list[list[str]]:
    return [all_keys(name, count) for name in names]


def start(names: str = "abcd", count: int = 2) -> list[object]:
    return writes.start_many([(name, count) for name in names])


# -- what it is for


def test_the_turns_of_many_are_one_commit(shared) -> None:
    ids = start("abcdefghijklmnop", 5)
    with CaptureQueriesContext(connection) as queries:
        run()
    assert results(ids) == written("abcdefghijklmnop", 5)
    assert keys() == all_keys("abcdefghijklmnop", 5)
    assert shared == [(16, 0, 0)]
    texts = [query["sql"] for query in queries.captured_queries]
    assert texts.count("BEGIN") + texts.count("BEGIN IMMEDIATE") <= 2
    if connection.vendor == "postgresql":
        journals = [text for text in texts if "INSERT INTO" in text and "django_workflows_step" in text]
        assert len(journals) == 1, "one statement for all rows of all journals"


def test_effects_and_journals_are_committed_together(elsewhere) -> None:
    ids = start()
    seen: list[object] = []
    besides["d-1"] = lambda: seen.append(elsewhere(lambda: (keys(), Step.objects.count())))
    run()
    assert seen == [([], 0)]
    assert results(ids) == written("abcd")


def test_journals_are_what_they_are_when_each_turn_is_alone(shared) -> None:
    times = {"delivered_at", "created_at", "queued_at", "started_at", "finished_at", "due_at"}
    changing = {"id", "workflow_id", "claimed_by", *times}

    def journals(names: str, worker: Worker) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        ids = [*start(names), *goes_on.start_many([(f"{name}+",) for name in names])]
        while Workflow.objects.filter(id__in=ids, state="in_progress").exists():
            drain(worker, seconds=20)
        steps = Step.objects.filter(workflow_id__in=ids).order_by("workflow_id", "number")
        rows = [{name: value for name, value in row.items() if name not in changing} for row in steps.values()]
        known = ("state", "result", "error", "delivered", "deliveries", "journal_bytes", "claimed_by")
        return rows, list(Workflow.objects.filter(id__in=ids).order_by("id").values(*known))

    side_by_side = journals("ab", Worker(batches=True))
    assert shared[0] == (4, 0, 0)
    count = len(shared)
    Effect.objects.all().delete()
    assert journals("ab", Worker(batches=False)) == side_by_side
    assert len(shared) == count
    assert all(
        step.finished_at is not None and step.started_at is not None for step in Step.objects.filter(kind="mutation")
    )


def test_times_are_those_of_the_turn() -> None:
    ids = start("ab", 3)
    run()
    for each in ids:
        steps = Step.objects.filter(workflow_id=each)
        found = Workflow.objects.get(id=each)
        assert {step.delivered_at for step in steps} == {found.started_at}
        assert {step.finished_at for step in steps} == {found.finished_at}


def test_what_follows_inline_steps_is_as_ever(shared) -> None:
    ids = [*goes_on.start_many([(name,) for name in "abc"]), *again.start_many([(name, 1) for name in "de"])]
    run()
    time.sleep(0.02)
    run()
    assert results(ids) == [[f"{name}-{number}" for number in (0, 1, 2, 4)] for name in "abc"] + ["d-3", "e-3"]
    assert keys() == sorted([f"{n}-{i}" for n in "abc" for i in (0, 2, 4)] + [f"{n}-{i}" for n in "de" for i in "123"])
    assert sorted(key for key in called if key[2] == "1" and key[0] in "abc") == ["a-1", "b-1", "c-1"]
    assert any(apart == 0 and count > 3 for count, apart, _ in shared)


def test_events_children_parents_and_callbacks(shared) -> None:
    ids = [asks.start("a"), asks.start("b"), family.start(["c", "d"]), family.start(["e"])]
    ids += [writes.with_options(on_complete=told, context=name).start(name, 1) for name in "fg"]
    workflow.send_event(ids[0], "question", "early")
    run()
    workflow.send_event(ids[1], "question", "late")
    run()
    assert [observe.status(each).result[0] for each in ids[:2]] == ["early", "late"]
    assert results(ids)[2:] == [[["c-0"], ["d-0"]], [["e-0"]], ["f-0"], ["g-0"]]
    assert Event.objects.filter(name="answer").count() == 2
    single = ["a-0", "a-3", "b-0", "b-3", "c parent", "c-0", "d-0", "e parent", "e-0", "f-0", "g-0"]
    assert keys() == sorted([*single, "told f", "told g"])
    assert shared[0][:2] == (6, 0)


def test_turns_that_there_is_no_time_for_are_taken_next(shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_together, "_ENOUGH", 0.05)
    ids = start("abcd")
    besides["b-1"] = lambda: time.sleep(0.06)
    run()
    assert results(ids) == written("abcd")
    assert called == all_keys("abcd"), "each is called once"
    assert shared[0] == (4, 0, 2)


def test_odd_texts_are_kept_as_they_are(shared) -> None:
    odd = ["", "NULL", '"', "\\", '\\"', "{}", "a,b", "a b", " ", "\u00e4\u4f60\U0001f600", "%s %(x)s", "'"]
    ids = writes.start_many([(f"{number}{text}", 1) for number, text in enumerate(odd)])
    run()
    assert results(ids) == [[f"{number}{text}-0"] for number, text in enumerate(odd)]
    assert len(shared) == 1


def test_queries_see_what_their_own_turn_has_written_and_write_nothing(shared) -> None:
    ids = counts.start_many([(name,) for name in "abc"])
    run()
    assert results(ids) == [[0, "refused", 1], [0, "refused", 1], [0, "refused", 1]]
    assert keys() == all_keys("abc", 1)
    # The refused one failed, so the first transaction did not hold.
    assert shared[0] == (3, 1, 2)
    shared.clear()
    ids = looks.start_many([(name,) for name in "defg"])
    run()
    assert results(ids) == [1] * 4
    assert shared == [(4, 0, 0)]


# -- when one of them is in the way


def test_one_that_fails_is_undone_and_the_others_are_kept(shared) -> None:
    def fail() -> None:
        raise ValueError("no money")

    ids = [*start("ab"), forgives.start("c"), *start("d")]
    besides["c-1"] = fail
    run()
    assert results(ids) == [*written("ab"), "no money", *written("d")]
    assert keys() == ["a-0", "a-1", "b-0", "b-1", "c-0", "d-0", "d-1"]
    assert shared[0] == (4, 3, 1)
    (failed,) = Step.objects.filter(state="failed")
    assert (failed.workflow_id, failed.number, failed.attempt) == (ids[2], 1, 1)


def test_one_that_breaks_its_transaction_breaks_no_other(shared) -> None:
    Effect.objects.create(key="taken")

    def swallow() -> None:
        with suppress(Exception):
            Effect.objects.create(key="taken")

    ids = [*start("a"), forgives.start("b"), *start("c")]
    besides["b-1"] = swallow
    run()
    assert results(ids)[0::2] == written("ac")
    assert "transaction.atomic()" in str(results(ids)[1])
    assert keys() == ["a-0", "a-1", "b-0", "c-0", "c-1", "taken"]


def test_one_that_takes_its_time_keeps_the_others_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_together, "_LONGEST", 0.1)
    ids = start("abcd", 1)
    slept: list[bool] = []

    def stall() -> None:
        began = time.monotonic()
        try:
            time.sleep(0.5)
        finally:
            slept.append(time.monotonic() - began >= 0.5)

    besides["b-0"] = stall
    run()
    assert slept == [False, True], "it was interrupted once, and then had all the time that it takes"
    assert results(ids) == written("abcd", 1)
    assert keys() == all_keys("abcd", 1)


def test_one_that_was_canceled_before_it_is_locked_is_not_run(shared, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = start()
    lock_many = inline_together.lock_many

    def lock(found):
        Workflow.objects.filter(id=ids[2]).update(cancel_requested_at="2020-01-01T00:00:00Z")
        return lock_many(found)

    monkeypatch.setattr(inline_together, "lock_many", lock)
    run()
    assert shared[0] == (4, 1, 0)
    assert isinstance(observe.status(ids[2]), Canceled)
    assert results(ids)[:2] == written("ab")
    assert keys() == all_keys("abd")


@pytest.mark.postgres  # SQLite has no other writer beside a transaction
def test_one_that_somebody_else_has_locked_keeps_nobody_waiting(shared, release, monkeypatch) -> None:
    ids = start()
    lock_many = inline_together.lock_many

    def lock(found):
        release.lock(ids[1])
        monkeypatch.setattr(inline_together, "lock_many", lock_many)
        return lock_many(found)

    monkeypatch.setattr(inline_together, "lock_many", lock)
    besides["d-1"] = lambda: called.append("written without it") or release()
    run()
    assert shared[0] == (4, 1, 0)
    assert results(ids) == written("abcd")
    assert keys() == all_keys("abcd")
    assert called.index("written without it") < called.index("b-0")


@pytest.fixture
def release(elsewhere):
    """Has somebody else hold the lock of a workflow until it is called."""
    import threading

    class Holder:
        def __init__(self) -> None:
            self._locked, self._over, self._threads = threading.Event(), threading.Event(), []

        def lock(self, workflow_id: object) -> None:
            def hold() -> None:
                with transaction.atomic():
                    Workflow.objects.select_for_update().get(id=workflow_id)
                    self._locked.set()
                    self._over.wait(20)

            self._threads.append(threading.Thread(target=lambda: elsewhere(hold)))
            self._threads[-1].start()
            assert self._locked.wait(10)

        def __call__(self) -> None:
            self._over.set()

    holder = Holder()
    yield holder
    holder()
    for thread in holder._threads:
        thread.join()


def test_a_coroutine_is_never_among_them(shared) -> None:
    ids = asynchronous.start_many([(name,) for name in "abc"])
    run()
    assert results(ids) == ["a", "b", "c"]
    assert shared == []


def test_one_with_a_hook_is_alone(shared) -> None:
    seen: list[str] = []
    ids = start("abc", 1)
    besides["b-0"] = lambda: transaction.on_commit(lambda: seen.append("called"))
    run()
    assert results(ids) == written("abc", 1)
    assert seen == ["called"]
    assert shared[0] == (3, 2, 1)


@pytest.mark.postgres
def test_a_setting_of_one_is_not_there_for_the_next() -> None:
    found: list[object] = []

    def set_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL app.tenant = 'a'")

    def read_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.tenant', true)")
            found.append(cursor.fetchone()[0] or None)

    ids = start("ab", 1)
    besides.update({"a-0": set_it, "b-0": read_it})
    run()
    assert results(ids) == written("ab", 1)
    assert set(found) == {None}


def test_functions_and_definitions_that_were_in_the_way_are_kept_apart_for_a_while() -> None:
    found = Pace()
    for _ in range(2):
        found.note(step_of("a", "mutation"), 0.0001)
    assert found.is_quick("a")
    assert found.is_together("d")
    found.keep_apart("d")
    alone = 0
    while not found.is_together("d"):
        alone += 1
    assert alone == 8
    assert found.is_together("e")


def test_an_inline_mutation_is_watched_before_it_is_ever_put_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pace.be(None)
    monkeypatch.setattr("django_workflows.engine.pace.QUICK_MUTATION", 10.0)
    start("abc", 1)
    besides["c-0"] = lambda: transaction.on_commit(lambda: None)
    worker = Worker(batches=False)
    drain(worker, seconds=20, stop=lambda: Effect.objects.count() == 2)
    (path,) = set(Step.objects.values_list("function", flat=True))
    assert pace.is_quick(path)
    drain(worker, seconds=20)
    assert not pace.is_quick(path)


# -- when the worker ends


def test_the_process_dies_at_every_statement() -> None:
    def begin() -> list[object]:
        Workflow.objects.all().delete()
        Effect.objects.all().delete()
        return [*start("ab"), *goes_on.start_many([(name,) for name in "cd"])]

    for ids, where in each_death(begin, run):
        run()
        time.sleep(0.011)
        run()
        assert results(ids)[:2] == written("ab"), where
        assert [key for key in keys() if key[0] in "ab"] == all_keys("ab"), where
        completed = Step.objects.filter(kind="mutation", state="completed").count()
        assert len(keys()) == completed, where


def test_when_django_q2_ends_a_task_the_others_are_given_back(shared) -> None:
    from django_workflows.engine.dispatch import interrupts

    (interrupt, *_) = interrupts()
    ids = start("abcd", 1)

    def end() -> None:
        del besides["b-0"]
        raise interrupt

    besides["b-0"] = end
    with pytest.raises(interrupt):
        run()
    assert keys() == []
    held = dict(Workflow.objects.values_list("id", "deliveries"))
    assert [held[each] for each in ids] == [0, 1, 0, 0], "none but the one during which it came counts as held"
    Workflow.objects.filter(id=ids[1]).update(due_at="2020-01-01T00:00:00Z")  # as when its worker's death is found
    run()
    assert results(ids) == written("abcd", 1)
    assert keys() == all_keys("abcd", 1)


# -- the texts of arrays


@pytest.mark.postgres
def test_postgresql_reads_back_what_is_written_as_an_array() -> None:
    texts = [None, "", "NULL", "null", '"', "\\", '\\"', "{}", "a,b", " a ", "\n\t", "\u00e4\u2003", "%s"]
    with connection.cursor() as cursor:
        given = [(texts, "text"), ([1, None, -3], "int"), ([True, False], "boolean"), ([0.1, 1e300], "float8")]
        sql = ", ".join(f"%s::{kind}[]" for _, kind in given)
        cursor.execute(f"SELECT {sql}", [array(*each) for each in given])
        assert cursor.fetchone() == tuple(values for values, _ in given)
