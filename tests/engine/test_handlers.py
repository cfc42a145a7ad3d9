"""What handlers must not do: never wait, use the database, run what nobody could import."""

import functools
import itertools
import time

import pytest

from django_workflows import Completed, Failed, WorkflowContext
from django_workflows.core.blocked import BlockedReason
from django_workflows.models import Step
from django_workflows.store import workflows
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, finish, run, run_until
from tests.promises import promise

workflow = flows.workflow


def test_one_that_never_waits_is_stopped(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    workflow_id = flows.never_waits.start()
    with promise(10):
        run()
    blocked = workflow.status(workflow_id).blocked
    assert blocked.reason == BlockedReason.STUCK
    assert "tests.app.workflows.never_waits used 0.1 s of CPU time without waiting" in blocked.message
    assert finish(flows.nothing.start()) == Completed("done")


def test_it_is_retried_after_twice_as_long_each_time(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.05}
    workflow_id = flows.never_waits.start()
    waits = []
    for _ in range(10):
        run()
        assert workflow.status(workflow_id).blocked.reason == BlockedReason.STUCK
        waits.append(workflows.next_due(""))
        assert run() == 0, "it is never handed on at once"
        advance(waits[-1] + 0.01)
    assert 4 < waits[0] <= 5
    assert 4 < waits[1] <= 7
    assert all(1.5 < later / sooner < 2.5 for sooner, later in itertools.pairwise(waits[1:8]))
    assert 599 < waits[-1] <= 600
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id).type == "canceled"


@workflow.define(name="tests computes in each turn")
async def computes_in_each_turn(step: WorkflowContext, turns: int) -> int:
    """Less than the limit after each outcome, and more than it in all, as a replay does at once."""
    for _ in range(turns):
        until = time.thread_time() + 0.15
        while time.thread_time() < until:
            pass
        await step.with_options(inline=True).run_query(burn)
        await step.sleep(0.01)
    return turns


def burn() -> None:
    until = time.thread_time() + 0.15
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("replaying", [False, True])
def test_replay_and_inline_steps_are_not_counted(settings, replaying):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.4}
    assert finish(computes_in_each_turn.start(4), replaying=replaying) == Completed(4)


@workflow.define(name="tests sleeps for long")
async def sleeps_for_long(step: WorkflowContext) -> None:
    time.sleep(0.4)


def test_time_that_is_slept_is_not_cpu_time(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.05}
    assert finish(sleeps_for_long.start()) == Completed(None)


def test_in_another_thread_too(settings, elsewhere):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    workflow_id = flows.never_waits.start()
    elsewhere(run)
    assert workflow.status(workflow_id).blocked.reason == BlockedReason.STUCK


@workflow.define(name="tests stuck after a step")
async def stuck_after_a_step(step: WorkflowContext) -> None:
    await step.run_mutation(steps.insert_effect, "k")
    while True:
        time.monotonic()


@pytest.mark.parametrize("replaying", [False, True])
def test_one_that_is_stuck_after_a_step_is_stopped_and_the_step_stays(settings, replaying):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    workflow_id = stuck_after_a_step.start()
    status = run_until(lambda: workflow.status(workflow_id).blocked is not None, workflow_id, replaying=replaying)
    assert status.blocked.reason == BlockedReason.STUCK
    assert Effect.objects.count() == 1


@workflow.define(name="tests stuck in except")
async def stuck_in_except(step: WorkflowContext) -> None:
    while True:
        try:
            time.sleep(30)
        except Exception:  # noqa: BLE001 - that is the point
            continue


def test_one_that_swallows_exceptions_is_stopped(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1, "LEASE": 0.6}
    workflow_id = stuck_in_except.start()
    run()
    blocked = workflow.status(workflow_id).blocked
    assert blocked.reason == BlockedReason.STUCK
    assert "tests stuck in except ran for 0.4 s without waiting" in blocked.message


def test_one_that_asks_for_ever_is_stopped_and_nothing_of_it_runs(settings):
    settings.DJANGO_WORKFLOWS = {"MAX_STEPS_PER_TURN": 50}
    status = finish(flows.asks_for_ever.start())
    assert status.error_type == "django_workflows.exceptions.HandlerStuck"
    assert "tests.app.workflows.asks_for_ever asked for more than 50 steps without waiting" in status.error
    assert not Step.objects.exists()


@pytest.mark.parametrize("start_async", [True, False])
def test_one_that_uses_the_orm_is_told_what_to_use(start_async):
    definition = flows.uses_orm
    if start_async:
        status = finish(definition.start())
        assert status.error_type == "django_workflows.exceptions.UnsupportedInHandler"
        assert "step.run_query" in status.error
    else:
        with pytest.raises(Exception, match="step.run_query"):
            definition.with_options(start_async=False).start()


def test_one_that_uses_the_async_orm_is_told_what_to_use():
    status = finish(flows.uses_async_orm.start())
    assert status.error_type == "django_workflows.exceptions.UnsupportedInHandler"
    assert "step.run_query" in status.error


class Clerk:
    def work(self) -> None:
        """A method."""

    def __call__(self) -> None:
        """An object that can be called."""


def undecorated() -> None:
    """What the decorated one stands for."""


def decorate(fn):
    def wrapped() -> None:
        fn()

    return functools.wraps(fn)(wrapped)


hidden = decorate(undecorated)
BAD = {
    "lambda": lambda: 1,
    "partial": functools.partial(undecorated),
    "method": Clerk().work,
    "function of a class": Clerk.work,
    "object": Clerk(),
    "class": Clerk,
    "shadowed": hidden,
    "text": "tests.app.steps.add",
    "none": None,
    "definition": flows.nothing,
    "builtin method": "".join,
}


@workflow.define(name="tests runs what it must not")
async def runs_what_it_must_not(step: WorkflowContext, which: str) -> str:
    def closure() -> None:
        """Nobody can import this."""

    fn = {**BAD, "closure": closure}[which]
    await step.run_action(steps.no_op)
    try:
        await step.run_action(fn)
    except Exception as error:  # noqa: BLE001 - its type is the result
        return f"{type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("lambda", "<lambda> is a lambda, which another process cannot import"),
        ("closure", "closure is a closure, which another process cannot import"),
        ("partial", "is a functools.partial, which has no name by which another process could import it"),
        ("method", "is a method, and another process does not have its object"),
        ("function of a class", "is a method"),
        ("object", "and not a module-level function, so that another process could not import it"),
        ("class", "is a class: write a function"),
        ("shadowed", "is not the function that"),
        ("text", "is a text: import the function"),
        ("none", "is not a module-level function"),
        ("definition", "run it with step.run_workflow"),
        ("builtin method", "is a method, and another process does not have its object"),
    ],
)
def test_a_step_that_nobody_could_import_is_an_error_that_says_what_to_do(which, message):
    result = finish(runs_what_it_must_not.start(which)).result
    assert result.startswith("InvalidStep: ")
    assert message in result


def test_a_lambda_step_fails_the_workflow_where_nobody_catches_it():
    status = finish(flows.lambda_step.start())
    assert status.error_type == "django_workflows.exceptions.InvalidStep"
    assert status.type == "failed"


@workflow.define(name="tests raises out")
async def raises_out(step: WorkflowContext, kind: str, first: bool) -> None:
    if first:
        await step.run_action(steps.no_op)
    steps.raise_out(kind)


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "RecursionError", "MemoryError"])
@pytest.mark.parametrize("first", [False, True])
def test_whatever_a_handler_raises_is_its_failure(kind, first):
    status = finish(raises_out.start(kind, first))
    assert (status.type, status.error_type.rpartition(".")[2]) == ("failed", kind)
    assert finish(flows.nothing.start()) == Completed("done")


def test_a_handler_that_cancels_itself_fails_and_says_so():
    status = finish(raises_out.start("CancelledError", False))
    assert status == Failed("the handler canceled itself; nobody had asked for it")
