"""The setting ``CONTEXT``: what holds where a workflow is started holds for all that is run for it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

import pytest
from django.core import checks
from django.db import transaction
from django.test import RequestFactory
from django.utils import translation

from django_workflows import Canceled, Completed, Failed, InvalidPayload, RetryPolicy, WorkflowContext, WorkflowManager
from django_workflows.core.histories import History
from django_workflows.engine import histories
from django_workflows.engine.pace import pace
from django_workflows.models import Workflow
from django_workflows.q2.recurring import start_scheduled
from tests.app.models import Effect
from tests.docs.blocks import ROOT, blocks_of
from tests.engine.driver import advance, become_another_process, finish, run
from tests.engine.replays import assert_all_replay

workflow = WorkflowManager()
TENANT: ContextVar[str] = ContextVar("tenant", default="")
seen: list[object] = []
PATH = "tests.engine.test_captured.Tenant"


class Tenant:
    fails: list[str] = []

    def capture(self):
        if "capture" in self.fails:
            raise RuntimeError("no tenant")
        return TENANT.get()

    @contextmanager
    def apply(self, value):
        if "enter" in self.fails:
            self.fails.remove("enter")
            raise RuntimeError("not now")
        token = TENANT.set(value)
        try:
            yield
        except ValueError:
            pass  # it is not for it to decide
        finally:
            TENANT.reset(token)
        if "exit" in self.fails:
            self.fails.remove("exit")
            raise RuntimeError("not any more")


class Depth:
    """A second one, within the first."""

    def capture(self):
        return {"depth": 1}

    @contextmanager
    def apply(self, value):
        seen.append(("depth", value, TENANT.get()))
        yield


class NoJSON:
    def capture(self):
        return object()

    def apply(self, value): ...


@pytest.fixture(autouse=True)
def tenant(engine, settings):
    settings.DJANGO_WORKFLOWS = {**settings.DJANGO_WORKFLOWS, "CONTEXT": [PATH]}
    seen.clear()
    Tenant.fails.clear()
    yield
    assert_all_replay()  # while the setting is what it was
    Workflow.objects.filter(parent__isnull=False).delete()
    Workflow.objects.all().delete()
    seen.clear()
    Tenant.fails.clear()


@contextmanager
def of(name):
    token = TENANT.set(name)
    try:
        yield
    finally:
        TENANT.reset(token)


def here() -> str:
    return TENANT.get()


async def here_async() -> str:
    return TENANT.get()


def write(key: str) -> str:
    Effect.objects.create(key=f"{key} of {TENANT.get()}")
    transaction.on_commit(lambda: seen.append(("hook", TENANT.get())))
    return TENANT.get()


def wrong() -> None:
    raise ValueError("wrong")


def call_many() -> str:
    seen.append("called")
    return TENANT.get()


@workflow.define(name="captured.child")
async def child(step: WorkflowContext) -> list[str]:
    return [TENANT.get(), await step.run_action(here)]


@workflow.define(name="captured.all")
async def everything(step: WorkflowContext) -> list[object]:
    found: list[object] = [TENANT.get(), await step.run_action(here), await step.run_action(here_async)]
    found += [TENANT.get(), await step.run_query(here), await step.run_mutation(write, "a")]
    found += [await step.with_options(inline=True).run_mutation(write, "b"), TENANT.get()]
    await step.sleep(1)
    return [*found, TENANT.get(), await step.run_workflow(child)]


@workflow.define(name="captured.call")
async def call(step: WorkflowContext, function: str, retry: bool = False) -> str:
    options = step.with_options(retry=RetryPolicy(max_attempts=3, initial_backoff=0) if retry else None)
    return await options.run_action({"here": here, "wrong": wrong, "call_many": call_many}[function])


@workflow.define(name="captured.again")
async def again(step: WorkflowContext, times: int) -> str:
    found = await step.run_action(here)
    if times:
        step.continue_as_new(times - 1)
    return found + TENANT.get()


def note_end(workflow_id, result, context) -> None:
    seen.append(("end", TENANT.get()))


@pytest.mark.parametrize("replaying", [False, True])
def test_what_held_at_the_start_holds_in_all_that_is_run(replaying):
    with of("acme"):
        first = everything.with_options(on_complete=note_end).start()
    with of("umbrella"):
        second = everything.start()
    for workflow_id, name in ((first, "acme"), (second, "umbrella")):
        status = finish(workflow_id, replaying=replaying)
        assert status == Completed([*[name] * 9, [name, name]])
    assert TENANT.get() == ""
    assert seen.count(("hook", "acme")) == 2
    assert seen.count(("hook", "umbrella")) == 2
    assert seen.count(("end", "acme")) == 1


def test_in_another_process_too():
    with of("acme"):
        workflow_id = call.start("here")
    become_another_process()
    assert finish(workflow_id) == Completed("acme")


def test_in_batches_and_for_many_starts():
    pace.be(8)
    try:
        with of("acme"):
            ids = call.start_many([("here",)] * 4)
        with of("umbrella"):
            ids += call.start_many([("here",)] * 4)
        run()
        assert [workflow.status(each) for each in ids] == [Completed("acme")] * 4 + [Completed("umbrella")] * 4
    finally:
        pace.be(None)


def test_it_holds_after_a_restart_and_after_continuing_as_new():
    with of("acme"):
        workflow_id = again.start(2)
    assert finish(workflow_id) == Completed("acmeacme")
    with of("umbrella"):
        workflow.restart(workflow_id, from_step=0)
    assert finish(workflow_id) == Completed("acmeacme")


def test_a_start_that_begins_at_once_sees_what_was_captured():
    with of("acme"):
        workflow_id = call.with_options(start_async=False).start("here")
        assert TENANT.get() == "acme"
    assert finish(workflow_id) == Completed("acme")


def test_two_are_applied_in_their_order(settings):
    settings.DJANGO_WORKFLOWS = {"CONTEXT": [PATH, "tests.engine.test_captured.Depth"]}
    with of("acme"):
        assert finish(call.start("here")) == Completed("acme")
    assert set(map(str, seen)) == {str(("depth", {"depth": 1}, "acme"))}


def test_a_class_that_is_new_or_gone_is_left_out(settings):
    with of("acme"):
        before = call.start("here")
    settings.DJANGO_WORKFLOWS = {"CONTEXT": ["tests.engine.test_captured.Depth"]}
    assert finish(before) == Completed("")
    assert seen == []
    settings.DJANGO_WORKFLOWS = {}
    with of("acme"):
        assert finish(call.start("here")) == Completed("")
    assert list(Workflow.objects.order_by("id").values_list("captured", flat=True)) == [f'{{"{PATH}":"acme"}}', None]


# -- what goes wrong


def test_an_error_of_capture_is_the_callers_and_stores_nothing():
    Tenant.fails.append("capture")
    with pytest.raises(RuntimeError, match="no tenant"):
        call.start("here")
    assert not Workflow.objects.exists()


def test_what_is_no_json_names_the_class(settings):
    settings.DJANGO_WORKFLOWS = {"CONTEXT": ["tests.engine.test_captured.NoJSON"]}
    with pytest.raises(InvalidPayload, match=r"what tests\.engine\.test_captured\.NoJSON\.capture\(\) has returned"):
        call.start("here")
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("retry", [False, True])
def test_an_apply_that_raises_is_the_attempts_failure(retry):
    with of("acme"):
        workflow_id = call.start("call_many", retry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_workflows.engine.captured.applied_to_turn", lambda captured: of("acme"))
        Tenant.fails.append("enter")
        status = finish(workflow_id)
    if retry:
        assert status == Completed("acme")
        assert seen == ["called"]
    else:
        assert status == Failed("not now")
        assert f"raised by {PATH}.apply()" in workflow.steps(workflow_id).get().error


def test_an_apply_that_fails_around_a_turn_has_it_taken_again():
    with of("acme"):
        workflow_id = call.start("here")
    Tenant.fails.append("enter")
    run()
    assert workflow.status(workflow_id).type == "in_progress"
    assert f"RuntimeError: not now (raised by {PATH}.apply())" in Workflow.objects.get().blocked_message
    assert finish(workflow_id) == Completed("acme")


@workflow.define(name="captured.waits")
async def waits(step: WorkflowContext) -> str:
    try:
        return f"{await step.await_event('go')} {TENANT.get()}"
    finally:
        await step.run_mutation(write, "cleaned up")


class Broken:
    """As of a tenant that is away."""

    def __contains__(self, what):
        return what == "enter"

    def remove(self, what):
        pass


@pytest.fixture
def away():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tenant, "fails", Broken())
        yield patch.undo


@pytest.mark.parametrize("again", ["by itself", "retry_now"])
def test_one_whose_apply_fails_for_long_says_why_and_resumes_when_it_works(again, away, caplog):
    with of("acme"):
        workflow_id = call.start("here")
    delays = []
    for _ in range(12):  # far more than MAX_DELIVERIES
        run()
        blocked = workflow.status(workflow_id).blocked
        assert blocked.reason == "crash_loop"
        assert blocked.message == f"RuntimeError: not now (raised by {PATH}.apply())"
        due_at = Workflow.objects.get().due_at
        delays.append((due_at - blocked.checked_at).total_seconds())
        advance(delays[-1] + 0.01)
    assert delays == sorted(delays)
    assert delays[0] == pytest.approx(1, abs=0.1)
    assert delays[-1] == pytest.approx(60, abs=0.1)
    assert f"is blocked (crash_loop): RuntimeError: not now (raised by {PATH}.apply())" in caplog.text
    away()
    if again == "retry_now":
        workflow.retry_now(workflow_id)
    assert finish(workflow_id) == Completed("acme")


def test_one_whose_apply_fails_can_be_canceled_once_it_is_blocked(away):
    with of("acme"):
        workflow_id = call.start("here")
    run()
    workflow.cancel(workflow_id)
    status = workflow.status(workflow_id)
    assert status == Canceled()
    assert f"raised by {PATH}.apply()" in status.note


@pytest.mark.parametrize("works_again", [False, True])
def test_one_whose_apply_fails_when_it_is_canceled_is_told_later(works_again):
    with of("acme"):
        workflow_id = waits.start()
    run()
    become_another_process()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tenant, "fails", Broken())
        workflow.cancel(workflow_id)
        assert workflow.status(workflow_id).type == "in_progress"
        if not works_again:
            run()
            assert workflow.status(workflow_id).blocked.reason == "crash_loop"
            advance(1.1)
            run()
            assert workflow.status(workflow_id) == Canceled()
            assert f"raised by {PATH}.apply()" in workflow.status(workflow_id).note
    assert finish(workflow_id) == Canceled()
    assert Effect.objects.exists() == works_again


def test_an_apply_that_fails_at_its_end_does_not_repeat_an_action(caplog):
    with of("acme"):
        workflow_id = call.start("call_many", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_workflows.engine.captured.applied_to_turn", lambda captured: of("acme"))
        Tenant.fails.append("exit")
        assert finish(workflow_id) == Completed("acme")
    assert seen == ["called"]
    assert "What applies to step 0 (tests.engine.test_captured.call_many) could not be ended" in caplog.text


def test_an_apply_suppresses_no_error():
    with of("acme"):
        assert finish(call.start("wrong")) == Failed("wrong")


# -- elsewhere


def test_a_history_has_it_and_replays_with_it():
    with of("acme"):
        workflow_id = everything.start()
    finish(workflow_id)
    history = History.load(histories.read_history(workflow_id).dump())
    assert history.captured == f'{{"{PATH}":"acme"}}'
    assert histories.mismatch(everything, history) is None


def test_a_schedule_has_no_caller():
    with of("the worker's"):
        start_scheduled("captured.call", '{"function":"here"}', "nightly", "allow", "2026-01-01T00:00:00+00:00")
    assert Workflow.objects.get().captured == f'{{"{PATH}":""}}'


def test_the_check_names_what_cannot_be_used(settings):
    named = ["nowhere.Tenant", "tests.engine.test_captured.child", "tests.engine.test_captured.ContextVar", PATH]
    settings.DJANGO_WORKFLOWS = {"CONTEXT": named}
    found = [each for each in checks.run_checks(tags=["django_workflows"]) if each.id == "django_workflows.E010"]
    assert len(found) == 3
    assert "CONTEXT names 'nowhere.Tenant', which cannot be imported and made" in found[0].msg


# -- the recipes of the documentation


@pytest.fixture
def recipes(monkeypatch):
    """The files that the page shows, as modules."""
    for block in blocks_of(ROOT / "docs/how-to/context.md"):
        if block.file.startswith("shop/"):
            module = ModuleType(block.file.removesuffix(".py").replace("/", "."))
            exec(compile(block.code, block.place, "exec"), module.__dict__)
            monkeypatch.setitem(sys.modules, module.__name__, module)
            name = module.__name__.rpartition(".")[2]
            monkeypatch.setattr(sys.modules["shop"], name, module, raising=False)
    yield
    assert_all_replay()
    Workflow.objects.filter(parent__isnull=False).delete()
    Workflow.objects.all().delete()


def recipe_values() -> list:
    from shop import tenancy, users

    return [tenancy.tenant.get(), translation.get_language(), users.current_user_id.get()]


@workflow.define(name="captured.recipes")
async def recipe_flow(step: WorkflowContext) -> list:
    return [recipe_values(), await step.run_action(recipe_values)]


def test_the_recipes_of_tenant_language_and_user(settings, recipes):
    from shop import tenancy, users

    paths = ["shop.tenancy.TenantContext", "shop.tenancy.LanguageContext", "shop.users.UserContext"]
    settings.DJANGO_WORKFLOWS = {"CONTEXT": paths}
    settings.ALLOWED_HOSTS = ["*"]

    def view(request):
        with translation.override("de"):
            return recipe_flow.start()

    token = users.current_user_id.set(7)
    workflow_id = tenancy.tenant_middleware(view)(RequestFactory().get("/", headers={"host": "acme.example.org"}))
    users.current_user_id.reset(token)
    assert recipe_values() == ["", "en-us", None]
    assert finish(workflow_id) == Completed([["acme", "de", 7]] * 2)
    assert recipe_values() == ["", "en-us", None]
