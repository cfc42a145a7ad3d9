"""What a function changes of its surroundings is gone when the next one runs; what it raises is its own failure."""

from __future__ import annotations

import asyncio
import decimal
import json
import logging
import signal
from contextvars import ContextVar

import pytest
from django.db import transaction
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from django_workflows import Completed, Failed, WorkflowContext, WorkflowManager, signals
from django_workflows.engine.deadlines import DeadlineReached
from django_workflows.engine.pace import pace
from tests.app.models import Effect
from tests.engine.driver import finish, run

workflow = WorkflowManager()
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")
seen: list[object] = []


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()
    yield
    seen.clear()


def surroundings() -> list[str]:
    return [
        TENANT.get(),
        timezone.get_current_timezone_name(),
        translation.get_language(),
        get_urlconf() or "",
        get_script_prefix(),
        str(decimal.getcontext().prec),
    ]


CLEAN = surroundings()
FOREIGN = ["acme", "Asia/Tokyo", "de", "shop.urls", "/acme/", "3"]


def change() -> None:
    TENANT.set("acme")
    timezone.activate("Asia/Tokyo")
    translation.activate("de")
    set_urlconf("shop.urls")
    set_script_prefix("/acme/")
    decimal.getcontext().prec = 3


def look() -> list[str]:
    return surroundings()


async def look_async() -> list[str]:
    return surroundings()


def look_and_change(key: str = "") -> list[str]:
    found = surroundings()
    change()
    assert surroundings() == FOREIGN
    if key:
        Effect.objects.create(key=key)
    return found


async def look_and_change_async() -> list[str]:
    found = surroundings()
    await asyncio.sleep(0)
    change()
    await asyncio.sleep(0)
    assert surroundings() == FOREIGN
    return found


FUNCTIONS = {each.__name__: each for each in (look, look_async, look_and_change, look_and_change_async)}


@workflow.define(name="isolation.steps")
async def steps_of(step: WorkflowContext, kind: str, function: str, inline: bool = False) -> list[list[str]]:
    options = step.with_options(inline=inline)
    calls = {"action": options.run_action, "query": options.run_query, "mutation": options.run_mutation}
    return [await calls[kind](FUNCTIONS[function]) for _ in range(3)]


@workflow.define(name="isolation.function")
async def function_of(step: WorkflowContext, name: str) -> list[list[str]]:
    found = [surroundings()]
    TENANT.set(name)
    timezone.activate("Asia/Tokyo")
    translation.activate("de")
    for _ in range(2):
        await step.sleep(1)
        found.append(surroundings()[:3])
        found.append(await step.run_action(look))
    return found


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("function", ["look_and_change", "look_and_change_async"])
@pytest.mark.parametrize("kind", ["action", "query", "mutation"])
def test_what_an_attempt_changes_is_not_seen_by_the_next(kind, function, inline):
    if inline and kind == "action":
        pytest.skip("actions are never inline")
    for _ in range(2):
        assert finish(steps_of.start(kind, function, inline)) == Completed([CLEAN] * 3)
    assert surroundings() == CLEAN


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_nor_beside_others_in_a_batch(kind):
    pace.be(8)
    try:
        ids = steps_of.start_many([(kind, "look_and_change")] * 8)
        run()
        assert {str(workflow.status(each)) for each in ids} == {str(Completed([CLEAN] * 3))}
    finally:
        pace.be(None)


def test_an_attempt_sees_nothing_of_what_runs_the_worker():
    token = TENANT.set("the worker's")
    try:
        with timezone.override("Asia/Tokyo"), translation.override("de"):
            assert finish(steps_of.start("action", "look")) == Completed([CLEAN] * 3)
            assert finish(steps_of.start("action", "look_async")) == Completed([CLEAN] * 3)
    finally:
        TENANT.reset(token)


@pytest.mark.parametrize("replaying", [False, True])
def test_a_workflow_function_has_one_context_over_all_its_turns(replaying):
    mine = ["mine", "Asia/Tokyo", "de"]
    TENANT.set("the worker's")
    try:
        found = finish(function_of.start("mine"), replaying=replaying)
    finally:
        TENANT.set("nobody")
    assert found == Completed([CLEAN, mine, CLEAN, mine, CLEAN])
    assert surroundings() == CLEAN


def test_a_start_that_begins_at_once_neither_sees_nor_changes_its_callers():
    token = TENANT.set("the request's")
    try:
        workflow_id = function_of.with_options(start_async=False).start("mine")
        assert TENANT.get() == "the request's"
        with transaction.atomic():
            inline = steps_of.with_options(start_async=False).start("mutation", "look_and_change", True)
        assert surroundings() == ["the request's", *CLEAN[1:]]
    finally:
        TENANT.reset(token)
    assert workflow.status(inline) == Completed([CLEAN] * 3)
    assert finish(workflow_id).result[0] == CLEAN


def note_end(workflow_id, result, context) -> None:
    seen.append(surroundings())
    change()
    transaction.on_commit(lambda: seen.append(TENANT.get()))
    Effect.objects.create(key=str(workflow_id))


def test_a_callback_has_a_context_of_its_own_and_so_have_its_hooks():
    for _ in range(2):
        finish(steps_of.with_options(on_complete=note_end).start("action", "look"))
    assert seen == [CLEAN, "acme"] * 2
    assert surroundings() == CLEAN


def test_a_receiver_of_a_signal_changes_nothing():
    def receive(**kwargs):
        seen.append(surroundings())
        change()

    signals.workflow_completed.connect(receive)
    try:
        for _ in range(2):
            finish(steps_of.start("action", "look"))
    finally:
        signals.workflow_completed.disconnect(receive)
    assert [each[:5] for each in seen] == [CLEAN[:5]] * 2
    assert surroundings()[:5] == CLEAN[:5]
    decimal.setcontext(decimal.Context())  # an object, which a copy of a context has in common with the original


def with_hooks() -> None:
    TENANT.set("acme")

    def hook() -> None:
        seen.append(TENANT.get())
        TENANT.set("the hook's")

    transaction.on_commit(hook)
    transaction.on_commit(hook)


@workflow.define(name="isolation.hooks")
async def hooks_of(step: WorkflowContext, inline: bool) -> None:
    await step.with_options(inline=inline).run_mutation(with_hooks)


@pytest.mark.parametrize("inline", [False, True])
def test_an_on_commit_hook_sees_what_its_function_saw(inline):
    assert finish(hooks_of.start(inline)) == Completed(None)
    assert seen == ["acme", "acme"]
    assert TENANT.get() == "nobody"


# -- what is no Exception


class Own(BaseException):
    pass


class OwnExit(SystemExit):
    pass


class Hostile(BaseException):
    def __str__(self) -> str:
        raise Own

    __repr__ = __str__

    def __reduce__(self):
        raise Own


class Greenlets(BaseException):
    """As ``greenlet.GreenletExit``."""

    __module__ = "greenlet"


def errors() -> dict[str, BaseException]:
    return {
        "Own": Own("mine"),
        "OwnExit": OwnExit("mine"),
        "Hostile": Hostile("mine"),
        "Greenlets": Greenlets("mine"),
        "BaseException": BaseException("mine"),
        "BaseExceptionGroup": BaseExceptionGroup("mine", [Own("a"), ValueError("b")]),
        "GeneratorExit": GeneratorExit("mine"),
        "CancelledError": asyncio.CancelledError("mine"),
        "Exit": pytest.exit.Exception("mine"),
        "Skipped": pytest.skip.Exception("mine"),
    }


def throw(kind: str) -> None:
    raise errors()[kind]


async def throw_async(kind: str) -> None:
    await asyncio.sleep(0)
    raise errors()[kind]


@workflow.define(name="isolation.raising")
async def raising(step: WorkflowContext, kind: str, error: str, inline: bool = False, asyncs: bool = False) -> None:
    options = step.with_options(inline=inline)
    calls = {"action": options.run_action, "query": options.run_query, "mutation": options.run_mutation}
    await calls[kind](throw_async if asyncs else throw, error)


def type_of(workflow_id) -> str:
    return json.loads(workflow.steps(workflow_id).get().error)["type"].rpartition(".")[2]


@pytest.mark.parametrize("error", errors())
@pytest.mark.parametrize(
    ("kind", "inline", "asyncs"),
    [
        ("action", False, False),
        ("action", False, True),
        ("query", False, False),
        ("mutation", False, False),
        ("mutation", True, False),
        ("query", True, True),
    ],
)
def test_whatever_a_step_raises_is_its_failure(kind, inline, asyncs, error):
    workflow_id = raising.start(kind, error, inline, asyncs)
    assert finish(workflow_id).type == "failed"
    assert type_of(workflow_id) == error
    assert workflow.steps(workflow_id).get().attempt == 1


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_in_a_batch_it_is_not_the_others(kind):
    pace.be(8)
    try:
        ids = raising.start_many([(kind, "Own"), (kind, "Hostile")])
        others = steps_of.start_many([(kind, "look")] * 3)
        run()
        assert [workflow.status(each).type for each in (*ids, *others)] == ["failed"] * 2 + ["completed"] * 3
    finally:
        pace.be(None)


@workflow.define(name="isolation.raises_itself")
async def raises_itself(step: WorkflowContext, error: str, after: bool) -> None:
    if after:
        await step.run_action(look)
    raise errors()[error]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", errors())
def test_whatever_a_workflow_function_raises_is_its_failure(error, after):
    workflow_id = raises_itself.start(error, after)
    status = finish(workflow_id)
    if error == "CancelledError":
        assert status == Failed("the handler canceled itself; nobody had asked for it")
    else:
        assert status.type == "failed"
        assert json.loads(workflow.list().get(id=workflow_id).error)["type"].rpartition(".")[2] == error


def raise_at_the_end(workflow_id, result, context) -> None:
    Effect.objects.create(key=str(workflow_id))
    raise errors()[context]


@pytest.mark.parametrize("error", errors())
def test_whatever_a_callback_raises_is_kept_with_its_workflow(error):
    workflow_id = steps_of.with_options(on_complete=raise_at_the_end, context=error).start("action", "look")
    assert finish(workflow_id).type == "completed"
    assert json.loads(workflow.list().get(id=workflow_id).on_complete_error)["type"].rpartition(".")[2] == error
    assert not Effect.objects.exists()


@pytest.mark.parametrize("error", errors())
def test_what_a_receiver_raises_is_logged_and_the_next_ones_are_called(error, caplog):
    def receive(**kwargs):
        raise errors()[error]

    async def receive_async(**kwargs):
        raise errors()[error]

    def receive_next(signal, **kwargs):
        seen.append(signal is signals.workflow_completed)

    async def receive_next_async(**kwargs):
        seen.append("async")

    receivers = [receive, receive_async, receive_next, receive_next_async]
    for each in receivers:
        signals.workflow_completed.connect(each)
    try:
        assert finish(steps_of.start("action", "look")).type == "completed"
    finally:
        for each in receivers:
            signals.workflow_completed.disconnect(each)
    assert seen == [True, "async"]
    logged = [each for each in caplog.records if "Error calling" in each.getMessage()]
    assert [each.getMessage().split("<locals>.")[1].split()[0] for each in logged] == ["receive", "receive_async"]
    raised = [each.exc_info[1].__cause__ or each.exc_info[1] for each in logged]
    assert [type(each) for each in raised] == [type(errors()[error])] * 2


def test_what_ends_the_worker_passes_a_receiver():
    def receive(**kwargs):
        raise DeadlineReached

    def receive_next(**kwargs):
        seen.append("next")

    for each in (receive, receive_next):
        signals.workflow_completed.connect(each)
    try:
        with pytest.raises(DeadlineReached):
            finish(steps_of.start("action", "look"))
    finally:
        for each in (receive, receive_next):
            signals.workflow_completed.disconnect(each)
    assert "next" not in seen


def hook_that_raises() -> None:
    def hook() -> None:
        raise Own("mine")

    transaction.on_commit(hook)
    transaction.on_commit(lambda: seen.append("the next one"))


@workflow.define(name="isolation.hooks_that_raise")
async def hooks_that_raise(step: WorkflowContext, inline: bool) -> None:
    await step.with_options(inline=inline).run_mutation(hook_that_raises)


@pytest.mark.parametrize("inline", [False, True])
def test_what_a_hook_raises_is_logged_and_the_next_one_is_called(inline, caplog):
    assert finish(hooks_that_raise.start(inline)) == Completed(None)
    assert "An on_commit hook failed after its step was committed" in caplog.text
    assert seen == ["the next one"]


# -- what the process is asked to remember


def ring(*args) -> None:
    seen.append("rung")


def ring_otherwise(*args) -> None:
    seen.append("rung otherwise")


def take_the_alarm() -> None:
    signal.signal(signal.SIGALRM, ring_otherwise)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.alarm(0)


def take_the_timer() -> None:
    signal.alarm(0)


@workflow.define(name="isolation.signals")
async def signals_of(step: WorkflowContext, function: str) -> None:
    await step.run_action({"take_the_alarm": take_the_alarm, "take_the_timer": take_the_timer}[function])


@pytest.mark.parametrize("function", ["take_the_alarm", "take_the_timer"])
@pytest.mark.parametrize("batched", [False, True])
def test_signal_handlers_and_timers_are_set_again_and_that_is_said(function, batched, caplog, monkeypatch):
    from django_workflows.engine import borrowed_signals

    monkeypatch.setattr(borrowed_signals, "_told", set())
    before, term = signal.signal(signal.SIGALRM, ring), signal.getsignal(signal.SIGTERM)
    left, every = signal.setitimer(signal.ITIMER_REAL, 1000)
    pace.be(8 if batched else None)
    try:
        signals_of.start_many([(function,)] * (3 if batched else 1))
        with caplog.at_level(logging.WARNING):
            run()
        assert signal.getsignal(signal.SIGALRM) is ring
        assert signal.getsignal(signal.SIGTERM) is term
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
        what = "the timer of SIGALRM" if function == "take_the_timer" else "the handler of SIGALRM and of SIGTERM"
        assert f"has changed {what}, which is set again" in caplog.text or batched
    finally:
        pace.be(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.signal(signal.SIGTERM, term)
        signal.setitimer(signal.ITIMER_REAL, left, every)
    assert seen == []
