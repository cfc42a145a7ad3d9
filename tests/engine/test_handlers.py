"""What handlers must not do: never wait, use the database, run what nobody could import."""

import functools
import time

import pytest

from django_workflows import Completed, Failed, WorkflowContext
from django_workflows.models import Step
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run
from tests.promises import promise

workflow = flows.workflow


def test_one_that_never_waits_is_stopped(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    workflow_id = flows.never_waits.start()
    with promise(5):
        status = finish(workflow_id)
    assert status.error_type == "django_workflows.exceptions.HandlerStuck"
    assert "tests.app.workflows.never_waits ran for 0.1 s without waiting" in status.error
    assert finish(flows.nothing.start()) == Completed("done")


def test_in_another_thread_too(settings, elsewhere):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    workflow_id = flows.never_waits.start()
    elsewhere(run)
    assert workflow.status(workflow_id).error_type == "django_workflows.exceptions.HandlerStuck"


@workflow.define(name="tests stuck after a step")
async def stuck_after_a_step(step: WorkflowContext) -> None:
    await step.run_mutation(steps.insert_effect, "k")
    while True:
        time.monotonic()


@pytest.mark.parametrize("replaying", [False, True])
def test_one_that_is_stuck_after_a_step_is_stopped_and_the_step_stays(settings, replaying):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    status = finish(stuck_after_a_step.start(), replaying=replaying)
    assert status.error_type == "django_workflows.exceptions.HandlerStuck"
    assert Effect.objects.count() == 1


@workflow.define(name="tests stuck in except")
async def stuck_in_except(step: WorkflowContext) -> None:
    while True:
        try:
            time.sleep(30)
        except Exception:  # noqa: BLE001 - that is the point
            continue


def test_one_that_swallows_exceptions_is_stopped(settings):
    settings.DJANGO_WORKFLOWS = {"TURN_TIMEOUT": 0.1}
    assert finish(stuck_in_except.start()).error_type == "django_workflows.exceptions.HandlerStuck"


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
