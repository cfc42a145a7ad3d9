"""Workflows whose waits are over are led together: fewer commits, and everything else as if each were led alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.db.models import Max
from django.test.utils import CaptureQueriesContext

from django_workflows import WorkflowContext, WorkflowManager
from django_workflows.core.entries import NewStep
from django_workflows.engine import batch_turns, dispatch, observe
from django_workflows.engine.batch_turns import read_due
from django_workflows.engine.drain import drain
from django_workflows.engine.lead import is_led_together
from django_workflows.engine.live import live_handlers
from django_workflows.engine.pace import QUICK_TURN, Pace, pace
from django_workflows.engine.worker import Worker, give_back
from django_workflows.models import Event, Step, Workflow
from django_workflows.store import cancellation, journals, prepared
from django_workflows.store import workflows as workflow_store
from django_workflows.store.database import atomic
from django_workflows.store.many_claims import claim_more, release
from django_workflows.store.many_journals import Beyond, load_many
from tests.app import callbacks, due, steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, become_another_process
from tests.engine.dying import each_death
from tests.waiting import PATIENCE

workflow = WorkflowManager()
computing: list[Callable[[], None]] = []


@workflow.define(name="due_together.computes")
async def computes(step: WorkflowContext, number: int) -> int:
    """Does what the test has put down, once: code between two steps, as far as the engine can see."""
    await step.sleep(60)
    if number and computing:
        computing.pop()()
    return number


@pytest.fixture(autouse=True)
def together() -> Iterator[None]:
    computing.clear()
    pace.be(16)
    yield
    pace.be(None)


def run(worker: Worker | None = None) -> int:
    return drain(worker or Worker(batches=True), seconds=PATIENCE)


def asleep(*ids: UUID) -> None:
    """Bring workflows to their first waits, each alone, and move the clock to where those are over."""
    drain(Worker(), seconds=PATIENCE)
    assert Workflow.objects.filter(id__in=ids, state="in_progress", started_at__isnull=False).count() == len(ids)
    advance(60.01)


def to_the_end() -> None:
    """Run whatever falls due, until nothing will."""
    until = time.monotonic() + PATIENCE
    while (seconds := workflow_store.next_due("")) is not None:
        assert time.monotonic() < until, list(Workflow.objects.filter(state="in_progress").values())
        if seconds > 0:
            advance(seconds + 0.001)
        run()


def request_to_cancel(workflow_id: UUID) -> None:
    """As ``cancel`` begins, whose second transaction then tells the handler."""
    with atomic():
        assert workflow_store.lock(workflow_id) is not None
        cancellation.request(workflow_id)


def results(ids: list[UUID]) -> list[Any]:
    return [getattr(status, "result", status.type) for status in map(observe.status, ids)]


def assert_whole() -> None:
    """As many outcomes were handed over as each workflow's row says, one after the other."""
    for each in Workflow.objects.filter(cancel_requested_at__isnull=True):
        handed = list(each.steps.filter(delivery__isnull=False).order_by("delivery").values_list("delivery", flat=True))
        assert handed == list(range(1, each.delivered + 1)), each.name
        assert each.steps.aggregate(last=Max("delivery"))["last"] in (each.delivered, None)


def everyone() -> list[UUID]:
    """One of each kind, twice."""
    found = []
    for key in ("a", "b"):
        remembering = due.naps.with_options(on_complete=callbacks.remember)
        found += [
            due.naps.start(2, 60),
            remembering.start(1, 60),
            due.acts.start(key),
            due.acts_inline.start(f"inline-{key}"),
            due.fans_out.start(3),
            due.has_a_child.start(),
            due.races.start(),
            due.waits_in_parallel.start(),
            due.gives_up_on_a_call.start(),
            due.fails.start(),
            due.begins_anew.start(2),
        ]
    return found


def stored(each: Workflow) -> tuple[Any, ...]:
    fields = "number", "kind", "name", "state", "attempt", "delivery", "result"
    row = (
        each.name,
        each.state,
        each.delivered,
        each.deliveries,
        each.due_at is None,
        each.blocked_message,
        each.result or "",
    )
    return (*row, list(each.steps.order_by("number").values_list(*fields)))


def outcome() -> list[Any]:
    """All that can be compared of what is stored."""
    effects = Effect.objects.exclude(key__startswith="completed").values_list("key", flat=True)
    called = Effect.objects.filter(key__startswith="completed").count()
    return [sorted(map(stored, Workflow.objects.all()), key=repr), sorted(effects), called]


# -- what it is for


@pytest.mark.parametrize("here", [True, False], ids=["in memory", "replayed"])
def test_waits_that_are_over_together_are_a_few_statements(here: bool) -> None:
    ids = due.naps.start_many([(1, 60)] * 32)
    asleep(*ids)
    if not here:
        become_another_process()
    worker = Worker(batches=True)
    run(worker)  # levels of priority and the clock are known then
    with CaptureQueriesContext(connection) as queries:
        assert results(ids) == [1] * 32
    asleep(*due.naps.start_many([(1, 60)] * 32))
    if not here:
        become_another_process()
    with CaptureQueriesContext(connection) as queries:
        run(worker)
    assert not Workflow.objects.filter(state="in_progress").exists()
    texts = [query["sql"] for query in queries.captured_queries]
    if connection.vendor == "postgresql":
        # Claims of one and of several, twice; journals and turns, twice; looks that find nothing, and levels.
        assert len(texts) <= 16, texts
        assert sum("INSERT" in text or "UPDATE" in text for text in texts) <= 12
    else:
        assert texts.count("COMMIT") <= 8


def test_a_workflow_that_sleeps_at_once_shares_its_first_commit_too() -> None:
    due.naps.start_many([(1, 60)] * 16)
    with CaptureQueriesContext(connection) as queries:
        run()
    assert Step.objects.filter(kind="sleep", state="waiting").count() == 16
    assert Workflow.objects.filter(due_at__isnull=False, deliveries=0, delivered=0).count() == 16
    if connection.vendor == "postgresql":
        assert sum("INSERT" in query["sql"] for query in queries.captured_queries) == 1


def test_sleepers_begin_together_though_their_worker_has_seen_no_quick_step() -> None:
    pace.be(None)
    due.naps.start_many([(1, 60)] * 33)
    with CaptureQueriesContext(connection) as queries:
        run()
    assert Step.objects.filter(kind="sleep", state="waiting").count() == 33
    assert Workflow.objects.filter(due_at__isnull=False, deliveries=0, delivered=0).count() == 33
    # The first one shows that they sleep.
    assert sum("INSERT" in query["sql"] for query in queries.captured_queries) <= 1 + 3
    assert pace.size == 1


def test_what_begins_with_a_step_is_not_taken_for_a_sleeper() -> None:
    pace.be(None)
    for first_steps, sleeps in (["sleep", "sleep"], True), (["sleep", "action"], False), ([], True), (["event"], False):
        pace.note_first("one", [NewStep(number, kind, "", "[]", "") for number, kind in enumerate(first_steps)])
        assert pace.sleeps_at_first("one") is sleeps
        assert not pace.sleeps_at_first("another")
    flows.sums.start_many([([1],)] * 4)
    drain(Worker(batches=True), seconds=20, stop=lambda: Workflow.objects.filter(started_at__isnull=False).exists())
    assert not pace.sleeps_at_first(flows.sums.name)
    assert Workflow.objects.filter(started_at__isnull=False).count() == 1, "others may take the next ones"


@pytest.mark.parametrize("here", [True, False], ids=["in memory", "replayed"])
def test_each_kind_goes_on_as_it_would_alone(here: bool) -> None:
    found = []
    for side_by_side in (True, False):
        for model in (Event, Step, Effect):
            model.objects.all().delete()
        Workflow.objects.filter(parent__isnull=False).delete()
        Workflow.objects.all().delete()
        asleep(*everyone())
        pace.be(16 if side_by_side else None)
        worker = Worker(batches=side_by_side)
        for _ in range(20):
            if not here:
                become_another_process()
            run(worker)
            seconds = workflow_store.next_due("")
            if seconds is None:
                break
            advance(max(0.0, seconds) + 0.001)
        assert_whole()
        found.append(outcome())
    for one, other in zip(found[0][0], found[1][0], strict=True):
        assert one == other
    assert found[0][1:] == found[1][1:]
    assert {each[1] for each in found[0][0]} == {"completed", "failed", "in_progress"}, "one waits for a call"


@pytest.mark.parametrize("one_statement", [True, False])
def test_the_sql_of_every_database_writes_the_same(monkeypatch: pytest.MonkeyPatch, one_statement: bool) -> None:
    monkeypatch.setattr(prepared, "one_statement", one_statement)
    asleep(*everyone())
    to_the_end()
    assert_whole()
    seen = outcome()
    assert seen[1] == sorted(f"{key}-{n}" for key in "ab" for n in (1, 2)) + sorted(
        f"inline-{key}-{n}" for key in "ab" for n in (0, 1)
    )
    assert seen[2] == 2
    states = [each[1] for each in seen[0]]
    assert [states.count(each) for each in ("completed", "failed", "in_progress")] == [20, 2, 2], "with two children"


def test_journals_are_read_together_as_each_is_read_alone() -> None:
    ids = everyone()
    asleep(*ids)
    run()
    asked = [Beyond(each) for each in ids]
    for each in ids:
        live = live_handlers.peek(each)
        if live is not None:
            asked.append(Beyond(each, live.replay.next_number, tuple(live.replay.open), live.replay.delivered))
    for each in asked:
        alone = journals.load(
            each.workflow_id, from_number=each.from_number, numbers=each.numbers, delivered=each.delivered
        )
        assert load_many([each])[each.workflow_id] == alone
    firsts = [Beyond(each) for each in ids]
    assert load_many(firsts) == {each.workflow_id: journals.load(each.workflow_id) for each in firsts}


def test_a_turn_that_is_due_alone_says_nothing_of_steps_that_could_be_run_together() -> None:
    workflow_id = flows.parallel.start(40)
    drain(Worker(), seconds=PATIENCE, stop=lambda: Step.objects.count() == 40)
    Workflow.objects.filter(pk=workflow_id).update(due_at="2020-01-01T00:00:00Z")
    with CaptureQueriesContext(connection) as queries:
        run()
    assert observe.status(workflow_id).type == "completed"
    claims = [query["sql"] for query in queries.captured_queries if "claimed_by = '" in query["sql"]]
    assert len([text for text in claims if "_step SET state = 'running'" in text]) <= 8


# -- when somebody else goes ahead


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen after journals were read together, and before any handler hears of them; once."""

    def set_down(what: Callable[[], None]) -> None:
        pending = [what]

        def reading(claimed: Any) -> Any:
            found = read_due(claimed)
            if found and pending:
                pending.pop()()
            return found

        monkeypatch.setattr(batch_turns, "read_due", reading)

    return set_down


@pytest.mark.parametrize("here", [True, False], ids=["in memory", "replayed"])
def test_an_event_that_comes_meanwhile_is_neither_lost_nor_heard_twice(here: bool, meanwhile: Any) -> None:
    ids = [due.gives_up_on_a_call.start() for _ in range(3)]
    asleep(*ids)
    if not here:
        become_another_process()
    meanwhile(lambda: workflow.send_event(ids[1], due.call, "hello"))
    run()
    assert observe.status(ids[1]).result in ("in time: hello", "late: hello")
    assert [observe.status(each).type for each in ids] == ["in_progress", "completed", "in_progress"]
    assert_whole()
    for each in (ids[0], ids[2]):
        workflow.send_event(each, due.call, "bye")
    run()
    assert results(ids)[::2] == ["late: bye"] * 2
    assert_whole()


def test_a_cancellation_that_comes_meanwhile_is_heard_and_the_others_go_on(meanwhile: Any) -> None:
    ids = due.naps.start_many([(1, 60)] * 4)
    asleep(*ids)
    meanwhile(lambda: workflow.cancel(ids[2], force=True))
    run()
    assert results(ids) == [1, 1, "canceled", 1]


def test_one_that_is_asked_to_cancel_meanwhile_is_told_so(meanwhile: Any) -> None:
    ids = [due.acts.start(key) for key in "abc"]
    asleep(*ids)
    meanwhile(lambda: request_to_cancel(ids[1]))
    to_the_end()
    assert [observe.status(each).type for each in ids] == ["completed", "canceled", "completed"]


def test_a_restart_that_comes_meanwhile_makes_the_turn_void(meanwhile: Any) -> None:
    ids = due.naps.start_many([(1, 60)] * 4)
    asleep(*ids)

    def restart() -> None:
        workflow.cancel(ids[2], force=True)
        workflow.restart(ids[2])

    meanwhile(restart)
    run()
    assert results(ids)[:2] + results(ids)[3:] == [1] * 3
    assert Workflow.objects.get(pk=ids[2]).generation > 1
    to_the_end()
    assert results(ids) == [1] * 4
    assert_whole()


@pytest.mark.parametrize("here", [True, False], ids=["in memory", "replayed"])
def test_a_turn_that_was_taken_by_another_worker_meanwhile_is_taken_once(here: bool, meanwhile: Any) -> None:
    ids = [due.acts_inline.start(key) for key in "abc"]
    asleep(*ids)
    if not here:
        become_another_process()

    def lease_runs_out() -> None:
        Workflow.objects.filter(pk=ids[1]).update(due_at="2020-01-01T00:00:00Z")
        drain(Worker(), seconds=5, stop=lambda: Workflow.objects.get(pk=ids[1]).state == "completed")

    meanwhile(lease_runs_out)
    run()
    assert [observe.status(each).type for each in ids] == ["completed"] * 3
    assert sorted(Effect.objects.values_list("key", flat=True)) == [f"{key}-{n}" for key in "abc" for n in (0, 1)]
    assert_whole()


# -- when a turn takes its time


@pytest.mark.parametrize("here", [True, False], ids=["in memory", "replayed"])
def test_nothing_waits_for_a_turn_that_computes_for_long(here: bool, hurry: Callable[[], None]) -> None:
    ids = computes.start_many([(number,) for number in (0, 1, 0, 0)])
    asleep(*ids)
    if not here:
        become_another_process()
    found: dict[str, object] = {}
    over = threading.Event()

    def watch() -> None:
        try:
            for _ in range(2000):
                rows = {each.pk: each for each in Workflow.objects.filter(pk__in=ids)}
                if rows[ids[0]].state == "completed" and not any(rows[each].deliveries for each in ids[2:]):
                    found.update({"due": [rows[each].due_at is not None for each in ids[2:]]})
                    found.update({"held": [rows[each].claimed_by for each in ids[2:]]})
                    return
                time.sleep(0.02)
        finally:
            over.set()
            connections.close_all()

    def compute() -> None:
        hurry()
        over.wait(PATIENCE)

    computing.append(compute)
    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    watcher.join()
    # The one before it is written, and those after it are given back, as if nobody had held them.
    assert found == {"due": [True, True], "held": ["", ""]}
    assert results(ids) == [0, 1, 0, 0]
    assert_whole()


def test_a_handler_that_never_stops_is_ended_and_the_others_go_on(settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.3}
    ids = computes.start_many([(number,) for number in (0, 1, 0)])
    asleep(*ids)

    def for_ever() -> None:
        while True:
            pass

    computing.append(for_ever)
    run()
    assert results(ids)[::2] == [0, 0]
    assert Workflow.objects.get(pk=ids[1]).blocked_reason == "stuck"


def test_slow_turns_are_taken_two_at_a_time_until_they_are_quick_again() -> None:
    found = Pace()
    assert found.turns == 16, "BATCH_SIZE"
    for _ in range(6):
        found.note_turn(QUICK_TURN * 2)
    assert found.turns == 2
    for _ in range(6):
        found.note_turn(QUICK_TURN / 2)
    assert found.turns == 16


def test_a_batch_size_of_one_takes_each_turn_alone(settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"BATCH_SIZE": 1}
    found = Pace()
    found.note_turn(1.0)
    assert found.turns == 1


def test_what_may_take_long_or_needs_a_lock_is_led_alone() -> None:
    ids = due.naps.start_many([(1, 60)] * 4)
    asleep(*ids)
    Workflow.objects.filter(pk=ids[1]).update(journal_bytes=1 << 20)
    request_to_cancel(ids[2])
    claimed = {each.id: is_led_together(each) for each in claim_more("", "w", 0, 10)}
    assert claimed == {ids[0]: True, ids[1]: False, ids[2]: False, ids[3]: True}
    Workflow.objects.update(deliveries=0, due_at="2020-01-01T00:00:00Z")
    run()
    assert results(ids) == [1] * 4, "the timer of the one that is canceled was over before"


# -- when the worker dies


def test_a_worker_that_dies_with_several_turns_counts_once_against_each() -> None:
    ids = due.naps.start_many([(1, 60)] * 6)
    asleep(*ids)
    for life in range(3):
        worker = f"gone-{life}"
        first = workflow_store.claim_turn("", worker)
        assert first is not None
        others = claim_more("", worker, 0, 15)
        assert len(others) == (5 if life == 0 else 0), "what was held before is held alone"
        give_back(worker)
    assert max(Workflow.objects.values_list("deliveries", flat=True)) <= 4
    assert sorted(Workflow.objects.values_list("deliveries", flat=True))[:3] == [1, 1, 1]
    run()
    assert results(ids) == [1] * 6
    assert set(Workflow.objects.values_list("deliveries", flat=True)) == {0}


def test_what_is_given_back_was_never_delivered_unless_somebody_wrote_since() -> None:
    ids = due.naps.start_many([(1, 60)] * 3)
    asleep(*ids)
    one, two, three = sorted(claim_more("", "w", 0, 10), key=lambda each: each.id)
    assert release(one, "another") is None, "it is not that one's"
    assert release(one, "w") == ""
    request_to_cancel(two.id)
    assert release(two, "w") is None
    assert list(Workflow.objects.order_by("id").values_list("deliveries", flat=True)) == [0, 1, 1]
    assert release(three, "w") == ""
    give_back("w")
    run()
    assert results(ids) == [1] * 3


def test_the_process_dies_at_every_statement_of_turns_taken_together() -> None:
    def begin() -> list[UUID]:
        for model in (Event, Step, Effect):
            model.objects.all().delete()
        Workflow.objects.filter(parent__isnull=False).delete()
        Workflow.objects.all().delete()
        ids = [due.acts.start("a"), due.naps.start(1, 60), due.acts_inline.start("b"), due.naps.start(1, 60)]
        ids += [due.has_a_child.start(), due.waits_in_parallel.start()]
        asleep(*ids)
        become_another_process()
        return ids

    for ids, where in each_death(begin, run):
        to_the_end()
        lost = Step.objects.filter(error__contains="AttemptLost").exists()
        assert lost or results(ids) == [[2, "a-1", "a-2"], 1, ["b-0", "b-1"], 1, 101, 212], where
        effects = Effect.objects.values_list("key", flat=True)
        assert lost or sorted(effects) == ["a-1", "a-2", "b-0", "b-1"], where
        assert len(set(effects)) == len(effects)
        assert max(Workflow.objects.values_list("deliveries", flat=True)) == 0
        assert_whole()


# -- what others hear of it


def test_steps_that_are_left_to_others_are_told_of_once() -> None:
    told: list[tuple[str, float, int]] = []

    class Heard(dispatch.NoDispatcher):
        def wake(self, queue: str, seconds: float, count: int) -> None:
            told.append((queue, seconds, count))

    ids = [due.fans_out.start(3) for _ in range(4)]
    asleep(*ids)
    before = dispatch.use(Heard())
    try:
        worker = Worker(batches=True)
        pace.be(None)  # so that no function is known to be quick, and all steps are left to others
        drain(worker, seconds=PATIENCE, stop=lambda: Step.objects.filter(kind="action").exists())
    finally:
        dispatch.use(before)
    assert Step.objects.filter(kind="action", state="queued").count() == 12
    assert told == [("", 0.0, 12)]
    to_the_end()
    assert results(ids) == [6] * 4
    assert steps.calls
