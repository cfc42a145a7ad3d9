"""What is said of a workflow that failed, or that is blocked: why, and what to press."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from django_workflows import Completed, StepFailed, WorkflowContext
from django_workflows.conf import settings as ours
from django_workflows.engine import observe
from django_workflows.engine.restart import plan_failed
from django_workflows.models import Step, Workflow
from tests.admin.pages import LIST, confirm, markup, page_of, text, url
from tests.app import steps
from tests.app import workflows as w
from tests.app.models import Counter
from tests.engine.driver import advance, finish, run
from tests.engine.test_mismatches import deployed, original, other_argument


async def pays(step: WorkflowContext, times: int = 1) -> list[str]:
    """Two steps that go well, and then ``times`` that fail at first, side by side."""
    done = [await step.run_action(steps.record, "reserve"), await step.run_action(steps.record, "pack")]
    await asyncio.gather(*(step.run_action(steps.fail_until, f"pay {each}", 2) for each in range(times)))
    return done


async def pays_in_a_group(step: WorkflowContext) -> list[str]:
    done = [await step.run_action(steps.record, "reserve")]

    async def pay() -> None:
        await step.run_action(steps.fail_until, "pay", 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(pay())
    return done


async def catches_and_breaks(step: WorkflowContext) -> None:
    try:
        await step.run_action(steps.decline, "4711")
    except StepFailed:
        raise RuntimeError("the handler's own") from None


def failed(handler: Callable[..., Any] = pays, **arguments: Any) -> UUID:
    workflow_id: UUID = w.workflow.start("tests deployed", arguments)
    assert finish(workflow_id).type == "failed"
    return workflow_id


async def breaks(step: WorkflowContext) -> None:
    await step.run_action(steps.echo, "fine")
    raise RuntimeError("the handler's own")


async def goes_on_and_gives_up(step: WorkflowContext) -> str:
    for _ in range(2):
        try:
            await step.run_action(steps.fail_until, "pay", 3)
            return "paid"
        except StepFailed:
            await step.sleep(1)
    raise RuntimeError("gave up")


# -- failed


def again(workflow_id: UUID) -> tuple[int, ...]:
    return plan_failed(workflow_id, Workflow.objects.get(id=workflow_id).error).again


@pytest.mark.parametrize(
    ("handler", "numbers"), [(pays, (2,)), (pays_in_a_group, (1,)), (catches_and_breaks, (0,)), (breaks, ())]
)
def test_the_steps_are_found_whose_error_ended_it(handler: Callable[..., Any], numbers: tuple[int, ...]) -> None:
    with deployed(handler):
        assert again(failed(handler)) == numbers


def test_a_child_that_failed_is_among_them() -> None:
    workflow_id = w.parent.start([1, -1])
    finish(workflow_id)
    assert again(workflow_id) == (1,)


def test_the_page_leads_to_a_restart_of_what_failed_which_goes_well(chief: Client) -> None:
    with deployed(pays):
        workflow_id = failed()
        page = markup(chief, page_of(workflow_id))
        assert "Step 2 failed with this. Fix the cause, then restart the failed steps only: the other 2 keep" in page
        assert "Restart the failed steps only…" in page
        assert url("act", workflow_id, "restart") in page
        form = markup(chief, url("act", workflow_id, "restart"))
        assert '<option value="failed" selected>' in form
        assert "tests.app.steps.fail_until (failed)" in form
        assert "Restarted: what failed runs again." in confirm(chief, workflow_id, "restart", from_step="failed")
        steps.calls.clear()
        assert finish(workflow_id) == Completed(["reserve", "pack"])
        assert steps.calls == [], "what came before is kept"


def test_from_a_step_all_after_it_runs_again(chief: Client) -> None:
    with deployed(pays):
        workflow_id = failed()
        assert '<option value="2" selected>' in markup(chief, url("act", workflow_id, "restart") + "?step=2")
        assert "Restarted from step 2." in confirm(chief, workflow_id, "restart", from_step="2")
        assert finish(workflow_id) == Completed(["reserve", "pack"])


def test_a_blocked_one_is_restarted_from_a_step(chief: Client) -> None:
    with deployed(original):
        workflow_id: UUID = w.workflow.start("tests deployed", {})
        run()
    with deployed(other_argument):
        advance(101)
        run()
        form = markup(chief, url("act", workflow_id, "restart"))
        assert 'value="failed"' not in form
        assert 'value="keep"' not in form
        assert "Restarted from step 0." in confirm(chief, workflow_id, "restart", from_step="0")
        assert "blocked" not in text(chief, page_of(workflow_id)).partition("Waiting for")[2]


def test_a_blocked_one_that_is_canceled_says_what_was_left_undone(chief: Client) -> None:
    with deployed(original):
        workflow_id: UUID = w.workflow.start("tests deployed", {})
        run()
    with deployed(other_argument):
        advance(101)
        run()
        assert "Canceled without its clean-up: it is blocked" in confirm(chief, workflow_id, "cancel")
        assert "canceled without its clean-up, since its function could not be run" in text(chief, page_of(workflow_id))


def test_a_fault_of_the_handler_is_told_apart(chief: Client, login: Callable[..., Client]) -> None:
    with deployed(catches_and_breaks):
        assert "Its own code raised this, after step 0 failed." in text(chief, page_of(failed()))
    with deployed(breaks):
        workflow_id = failed()
        assert "Its own code raised this, not a step." in text(chief, page_of(workflow_id))
        viewer = markup(login("view_workflow"), page_of(workflow_id))
        assert "Its own code raised this" in viewer
        assert "/act/" not in viewer


def test_what_it_went_on_from_runs_again_from_a_step_as_the_page_says(chief: Client) -> None:
    with deployed(goes_on_and_gives_up):
        workflow_id = failed()
        page = markup(chief, page_of(workflow_id))
        assert "had gone on from the failures of the steps 0, 2." in page
        assert "restart it from one of those steps" in page
        assert "Restart from a step…" in page
        address = f"{url('act', workflow_id, 'restart')}?step=2"
        assert address in page
        assert '<option value="2" selected>' in markup(chief, address)
        assert "Restarted from step 2." in confirm(chief, workflow_id, "restart", from_step="2")
        assert finish(workflow_id) == Completed("paid")


def test_the_list_says_why_it_failed(chief: Client, login: Callable[..., Client]) -> None:
    finish(w.fails.start("card <4711> declined, password=hush-hush"))
    shown = markup(chief, LIST)
    assert "<b>RuntimeError</b>: card &lt;4711&gt; declined" in shown
    assert "hush-hush" not in shown
    hidden = text(login("view_workflow"), LIST)
    assert "RuntimeError" in hidden
    assert "4711" not in hidden


def test_of_many_what_failed_is_restarted(chief: Client) -> None:
    with deployed(pays):
        first = failed()
        Counter.objects.all().delete()
        ids = [first, failed()]
        Counter.objects.update(value=1)
        chosen = {"_selected_action": [str(each) for each in ids], "action": "restart"}
        assert "the failed steps only" in chief.post(LIST, chosen).content.decode()
        told = chief.post(LIST, {**chosen, "confirmed": "1", "from_step": "failed"}, follow=True).content.decode()
        assert "Restart: done for 2 workflows." in told
        run()
        assert [observe.status(each) for each in ids] == [Completed(["reserve", "pack"])] * 2


def test_what_is_kept_fails_again(chief: Client) -> None:
    with deployed(pays):
        workflow_id = failed()
        confirm(chief, workflow_id, "restart", from_step="keep")
        assert finish(workflow_id).type == "failed"


# -- tried again


def test_who_waits_for_another_attempt_says_why(chief: Client, login: Callable[..., Client]) -> None:
    workflow_id = w.call.start("action", "fail_until", {"name": "slow <server>", "attempts": 9}, {"retry": True})
    run()
    assert Step.objects.get().failures != "[]"
    assert "The last attempt failed with Unreachable: call 1" in text(chief, page_of(workflow_id))
    assert ", after Unreachable" in text(chief, LIST)
    shown = text(login("view_workflow"), page_of(workflow_id))
    assert "The last attempt failed with Unreachable" in shown
    assert "call 1" not in shown


# -- blocked


def test_code_that_changed(chief: Client) -> None:
    with deployed(original):
        workflow_id: UUID = w.workflow.start("tests deployed", {})
        run()
    with deployed(other_argument):
        advance(101)
        run()
        page, listed = text(chief, page_of(workflow_id)), text(chief, LIST)
    assert re.search(r"blocked \(code mismatch\) for [\d.]+ m?s", listed)
    checked = (
        r"blocked \(code mismatch\) for [\d.]+ m?s, checked [\d.]+ m?s ago, still does not match step 0: the journal"
    )
    assert re.search(checked, page)
    assert "before it differs; it resumes by itself then. It is looked at again in" in page


def test_code_that_is_not_there(chief: Client) -> None:
    with deployed(original):
        workflow_id: UUID = w.workflow.start("tests deployed", {})
    run()
    assert "blocked (unknown definition)" in text(chief, LIST)
    page = text(chief, page_of(workflow_id))
    assert "Deploy code that defines it; it resumes by itself then." in page
    assert "The code that is running here has no workflow of this name." in page


def test_a_crash_loop_says_that_it_is_not_retried(chief: Client) -> None:
    workflow_id = w.asks_approval.start()
    Workflow.objects.filter(id=workflow_id).update(
        deliveries=ours.MAX_DELIVERIES, blocked_message="OperationalError: gone"
    )
    run()
    assert "blocked (crash loop)" in text(chief, LIST)
    page = text(chief, page_of(workflow_id))
    assert "claimed in vain" in page
    assert "It is not retried by itself any more. Fix the cause, then press “Retry now”." in page
    assert "It is looked at again" not in page
    confirm(chief, workflow_id, "retry")
    run()
    assert "event approval" in text(chief, LIST)


def test_an_error_of_its_turns_is_named(chief: Client, login: Callable[..., Client]) -> None:
    workflow_id = w.asks_approval.start()
    run()
    Workflow.objects.filter(id=workflow_id).update(
        blocked_reason="crash_loop", blocked_message="OperationalError: disk 4711 is full"
    )
    assert "blocked (crash loop)" in text(chief, LIST)
    assert "disk 4711 is full" in text(chief, page_of(workflow_id))
    assert "4711" not in text(login("view_workflow"), page_of(workflow_id))


@pytest.mark.parametrize("name", ["\n", "two\nlines", "a/b", "/", "?", "#"])
def test_a_page_of_a_workflow_of_any_name_can_be_looked_at(chief: Client, name: str) -> None:
    workflow_id = w.sums.start([1])
    finish(workflow_id)
    Workflow.objects.filter(id=workflow_id).update(name=name)  # as an imported history may have it
    assert "The code that is running here has no workflow of this name." in text(chief, page_of(workflow_id))
    assert chief.get(LIST).status_code == 200
