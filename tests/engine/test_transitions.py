"""The tables of transitions, from which the documentation draws its diagrams, are what the database goes through."""

import asyncio
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import connection

from django_workflows import WorkflowContext
from django_workflows.core.transitions import TABLES
from django_workflows.models import Event, Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import claim, finish, run

workflow = flows.workflow
MODELS = {"workflow": Workflow, "step": Step, "event": Event}


def _triggers(kind: str, table: str) -> list[str]:
    """Have each new state of a row noted: a new row, a change, and for steps a new attempt in the same state."""
    note = "INSERT INTO seen_transitions (kind, before, after) VALUES"
    if connection.vendor == "sqlite":
        return [
            f"CREATE TRIGGER seen_{kind}_new AFTER INSERT ON {table} BEGIN {note} ('{kind}', '', NEW.state); END",
            f"CREATE TRIGGER seen_{kind} AFTER UPDATE OF state ON {table} WHEN OLD.state <> NEW.state "
            f"BEGIN {note} ('{kind}', OLD.state, NEW.state); END",
        ]
    return [
        f"CREATE FUNCTION seen_{kind}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'INSERT' THEN {note} ('{kind}', '', NEW.state); "
        f"ELSIF OLD.state <> NEW.state THEN {note} ('{kind}', OLD.state, NEW.state); END IF; RETURN NULL; END $$",
        f"CREATE TRIGGER seen_{kind} AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION seen_{kind}()",
    ]


def _remove(kind: str, table: str) -> list[str]:
    if connection.vendor == "sqlite":
        return [f"DROP TRIGGER seen_{kind}_new", f"DROP TRIGGER seen_{kind}"]
    return [f"DROP TRIGGER seen_{kind} ON {table}", f"DROP FUNCTION seen_{kind}()"]


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def seen(engine: None) -> Iterator[Callable[[str], set[tuple[str, str]]]]:
    """The transitions of a kind of row that have happened."""

    def read(kind: str) -> set[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT before, after FROM seen_transitions WHERE kind = %s", [kind])
            return set(cursor.fetchall())

    _execute("CREATE TABLE seen_transitions (kind varchar(20), before varchar(20), after varchar(20))")
    for kind, model in MODELS.items():
        _execute(*_triggers(kind, model._meta.db_table))
    yield read
    for kind, model in MODELS.items():
        _execute(*_remove(kind, model._meta.db_table))
    _execute("DROP TABLE seen_transitions")


@workflow.define(name="tests everything ends")
async def everything_ends(step: WorkflowContext, key: str) -> None:
    """Completed, failed and given-up steps of all kinds."""
    inline = step.with_options(inline=True)
    await inline.run_mutation(steps.insert_effect, f"{key} inline")
    await asyncio.gather(inline.run_mutation(steps.insert_effect_and_fail, key), return_exceptions=True)
    for number in (1, -1):
        await asyncio.gather(step.run_workflow(flows.child, number), return_exceptions=True)
    await asyncio.gather(step.await_event("never", timeout=1), return_exceptions=True)
    step.with_options(run_after=3600).run_action(steps.no_op).cancel()  # in the turn that asks for it
    later = step.with_options(run_after=3600).run_action(steps.no_op)
    timer, event = step.sleep(3600), step.await_event("never")
    await step.sleep(1)
    for each in (later, timer, event):
        each.cancel()
    await step.sleep(1)


@workflow.define(name="tests waits for one of two")
async def one_of_two(step: WorkflowContext) -> str:
    """Takes an event by the id that it has made, then one by its name."""
    event_id = await step.create_event("reply")
    first = await step.await_event(event_id)
    return str([first, await step.await_event("next")])


@workflow.define(name="tests gives an event up")
async def gives_up(step: WorkflowContext) -> str:
    """Two things end at once; the event of the wait that is given up then is kept for the next one."""
    waits = [asyncio.ensure_future(step.await_event("a")), asyncio.ensure_future(step.await_event("b"))]
    _done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    await step.sleep(1)
    return str(await step.await_event("b"))


def _run_everything() -> None:
    finish(everything_ends.start("k"))
    finish(flows.retried.start("n", 2))
    failed = flows.fails.start()
    finish(failed)
    for workflow_id in (failed, _finished()):
        workflow.restart(workflow_id)
    finish(flows.call.start("action", "decline", {"card": "c"}, {}))
    for waiting in (flows.asks_approval.start(timeout=500), flows.sleeper.start(500), flows.parent.start([1])):
        run()
        if workflow.status(waiting).type == "in_progress":
            workflow.cancel(waiting, force=True)
            workflow.restart(waiting)
            finish(waiting)
    canceled = flows.parallel.start(3)
    step = _begun(canceled)
    workflow.cancel(canceled, force=True)
    assert step.number == 0
    workflow.restart(canceled)
    finish(canceled)
    _events()


def _begun(workflow_id: UUID):
    """A step of a fan-out that another worker has, while its siblings wait."""
    from django_workflows.engine.advance import take_turn

    take_turn(workflow_id, 1, None)
    step = claim()
    assert step is not None
    assert step.workflow_id == workflow_id
    return step


def _finished() -> UUID:
    workflow_id = flows.sums.start([1])
    finish(workflow_id)
    return workflow_id


def _events() -> None:
    asking = one_of_two.start()
    run()
    (event,) = Event.objects.filter(workflow_id=asking)
    workflow.send_event(event_id=event.id, value=1)
    workflow.send_event(asking, "next", 2)
    finish(asking)
    giving = gives_up.start()
    run()
    workflow.send_event(giving, "a", 1)
    workflow.send_event(giving, "b", 2)
    finish(giving)


@pytest.mark.parametrize("kind", TABLES)
def test_exactly_these_happen(kind: str, seen: Callable[[str], set[tuple[str, str]]]) -> None:
    _run_everything()
    assert seen(kind) == set(TABLES[kind])


@pytest.mark.parametrize("kind", TABLES)
def test_the_tables_have_the_states_of_the_models(kind: str) -> None:
    states = {state for pair in TABLES[kind] for state in pair if state}
    assert states <= set(MODELS[kind].State.values)
