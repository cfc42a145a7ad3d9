"""Every example of Convex's guide to workflows can be written with this package, and does what it says there."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import call

import pytest
from django.db import transaction

from django_workflows import (
    Canceled,
    Completed,
    EventAlreadySent,
    Failed,
    InProgress,
    InvalidArguments,
    WorkflowNotFound,
    WorkflowNotRunning,
)
from django_workflows.core.definitions import Definition
from django_workflows.testing import WorkflowTester, assert_replays
from tests.app.models import Counter
from tests.testing.convex import flows, steps
from tests.testing.convex.flows import Approved, Rejected, approval, verification, workflow
from tests.testing.convex.steps import Draft, Forecast, Place, Weather, noted, value_of

pytestmark = pytest.mark.django_db

PARIS = Place("Paris", 48.9, 2.4)


@pytest.fixture(autouse=True)
def world(workflows: WorkflowTester) -> None:
    workflows.fake(steps.get_geocoding, returns=PARIS)
    workflows.fake(steps.get_weather, returns=Weather(21.5))
    workflows.fake(steps.generate_proposals, returns=["red", "green", "blue"])
    workflows.fake(steps.generate_custom_content, returns=Draft("Hello", needs_human_input=False))


def times_of(workflows: WorkflowTester, answers: list[Any]) -> list[datetime]:
    """Fake the unreliable step; the instants at which it was called, as they come."""
    seen: list[datetime] = []

    def answer(name: str) -> str:
        seen.append(workflows.now)
        result = answers.pop(0)
        if isinstance(result, Exception):
            raise result
        return f"{name}: {result}"

    workflows.fake(steps.unreliable, calls=answer)
    return seen


def waits(seen: list[datetime]) -> list[float]:
    return [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(seen)]


# -- basic structure, start, status


def test_basic_workflow(workflows: WorkflowTester) -> None:
    workflow_id = flows.example_workflow.start(location="Paris")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(Forecast("Paris", 21.5))
    assert workflows.calls(steps.get_geocoding) == [call("Paris")]
    assert workflows.calls(steps.get_weather) == [call(latitude=48.9, longitude=2.4)]
    assert value_of(f"flow {workflow_id}") == ["Paris", 21.5]
    assert_replays(flows.example_workflow, workflows.history(workflow_id))


def test_start_takes_the_default_argument_by_definition_and_by_name(workflows: WorkflowTester) -> None:
    flows.example_workflow.start()
    workflow.start(flows.example_workflow.name)
    workflows.run()
    assert workflows.calls(steps.get_geocoding) == [call("San Francisco")] * 2


def test_start_is_part_of_the_callers_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        flows.example_workflow.start("Paris")
        steps.note("flow", 1 / 0)
    assert not workflow.list().exists()


def test_arguments_are_validated_at_the_start() -> None:
    with pytest.raises(InvalidArguments, match="location"):
        workflow.start(flows.example_workflow.name, {"location": 7})
    assert not workflow.list().exists()


def test_status_of_each_type(workflows: WorkflowTester) -> None:
    done = flows.child_workflow.start("abc")
    running, failing, canceled = (flows.confirmation_workflow.start(prompt) for prompt in ("a", "b", "c"))
    workflows.run()
    workflow.send_event(failing, approval, error="gave up")
    workflow.cancel(canceled)
    workflows.run()
    found = [workflow.status(each) for each in (running, done, failing, canceled)]
    assert found == [InProgress(running=["convex approval"]), Completed(3), Failed("gave up"), Canceled()]
    assert [each.type for each in found] == ["in_progress", "completed", "failed", "canceled"]


def test_cleanup_deletes_what_is_finished_and_nothing_else(workflows: WorkflowTester) -> None:
    workflow_id = flows.child_workflow.start("abc")
    assert workflow.cleanup(workflow_id) is False
    workflows.run()
    assert workflow.cleanup(workflow_id) is True
    assert workflow.cleanup(workflow_id) is False
    with pytest.raises(WorkflowNotFound):
        workflow.status(workflow_id)
    assert noted() == ["processed abc"], "what it wrote elsewhere stays"


# -- completion callbacks

CONTEXT = {"location": "Paris", "user_id": 7}


@pytest.mark.parametrize("callback", [flows.flow_completed, "tests.testing.convex.flows.flow_completed"])
def test_callback_of_success(workflows: WorkflowTester, callback: Any) -> None:
    start = flows.example_workflow.with_options(on_complete=callback, context=CONTEXT).start
    workflow_id = start("Paris")
    workflows.run()
    assert value_of(f"result {workflow_id}") == ["success", "Paris", 21.5, "Paris", 7]


def test_callback_of_failure(workflows: WorkflowTester) -> None:
    workflows.fake(steps.get_weather, raises=LookupError("no such place"))
    workflow_id = flows.example_workflow.with_options(on_complete=flows.flow_completed, context=CONTEXT).start()
    workflows.run()
    assert value_of(f"result {workflow_id}") == ["failed", "no such place", "Paris", 7]


def test_callback_of_cancellation(workflows: WorkflowTester) -> None:
    workflow_id = flows.example_workflow.with_options(on_complete=flows.flow_completed, context=CONTEXT).start()
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Canceled()
    assert value_of(f"result {workflow_id}") == ["canceled", "Paris", 7]
    assert workflows.run() == 0


@pytest.mark.parametrize("end", ["success", "failed", "canceled"])
def test_callback_that_cleans_up_at_whatever_end(workflows: WorkflowTester, end: str) -> None:
    if end == "failed":
        workflows.fake(steps.get_weather, raises=LookupError("no such place"))
    options = {"on_complete": flows.completed_and_cleaned_up, "context": CONTEXT}
    workflow_id = flows.example_workflow.with_options(**options).start()
    if end == "canceled":
        workflow.cancel(workflow_id)
    workflows.run()
    result = value_of(f"result {workflow_id}")
    assert isinstance(result, list)
    assert result[0] == end
    assert value_of(f"cleaned {workflow_id}") is True
    assert not workflow.list().exists()
    assert not workflow.steps(workflow_id).exists()


# -- events


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Approved(approved=True, choice=2), "blue"),
        (Rejected(approved=False, reason="ugly"), "rejected: ugly"),
    ],
)
@pytest.mark.parametrize("early", [False, True], ids=["waiting", "not yet waiting"])
def test_event_of_a_union_of_literals(workflows: WorkflowTester, value: Any, result: str, early: bool) -> None:
    workflow_id = flows.confirmation_workflow.start("a colour")
    if not early:
        workflows.run()
        assert workflow.status(workflow_id) == InProgress(running=["convex approval"])
    workflow.send_event(workflow_id, approval, value)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(result)


@pytest.mark.parametrize("wrong", [{"approved": True, "reason": "none"}, {"approved": "maybe"}, None, 3])
def test_event_that_fits_no_member_of_the_union_is_refused(workflows: WorkflowTester, wrong: Any) -> None:
    workflow_id = flows.confirmation_workflow.start("a colour")
    workflows.run()
    with pytest.raises(InvalidArguments, match="approval"):
        workflow.send_event(workflow_id, approval, wrong)
    assert workflow.status(workflow_id) == InProgress(running=["convex approval"])


def test_event_with_an_error_is_raised_in_the_workflow(workflows: WorkflowTester) -> None:
    workflow_id = flows.confirmation_workflow.start("a colour")
    workflows.run()
    workflow.send_event(workflow_id, "convex approval", error="the reviewer has left")
    workflows.run()
    assert workflow.status(workflow_id) == Failed("the reviewer has left")
    with pytest.raises(WorkflowNotRunning):
        workflow.send_event(workflow_id, approval, Approved(approved=True, choice=0))


def test_event_that_was_created_ahead_is_sent_by_its_id_once(workflows: WorkflowTester) -> None:
    workflow_id = flows.confirmation_workflow.start("a colour")
    event_id = workflow.create_event(workflow_id, approval)
    assert workflow.send_event(event_id=event_id, value={"approved": True, "choice": 1}) == event_id
    with pytest.raises(EventAlreadySent):
        workflow.send_event(event_id=event_id, value={"approved": True, "choice": 1})
    workflows.run()
    assert workflow.status(workflow_id) == Completed("green")


# -- nested workflows


def test_child_is_one_step_of_its_parent(workflows: WorkflowTester) -> None:
    workflow_id = flows.parent_workflow.start("four")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(None)
    assert noted() == ["processed four", "complete 4"]
    assert [each.kind for each in workflow.steps(workflow_id)] == ["workflow", "mutation"]
    assert workflow.list(name=flows.child_workflow.name).get().parent_id == workflow_id


# -- scheduled steps


def test_scheduled_steps_run_when_they_are_due_and_not_before(workflows: WorkflowTester) -> None:
    last = workflows.now + timedelta(days=30)
    workflow_id = flows.scheduled_workflow.start(1, last)
    workflows.run()
    sent = ["welcome to 1"]
    assert noted() == sent
    moment = timedelta(milliseconds=1)
    passed = timedelta(0)
    for mail, wait in (
        ("follow-up 1 to 1", timedelta(hours=1)),
        ("follow-up 2 to 1", timedelta(days=1)),
        ("digest to 1", timedelta(days=7)),
        ("new year to 1", timedelta(days=30) - timedelta(days=8, hours=1)),
    ):
        workflows.advance(wait - moment)
        assert noted() == sent
        assert workflow.status(workflow_id).type == "in_progress"
        workflows.advance(moment)
        passed += wait
        sent.append(mail)
        assert noted() == sent
    assert passed == timedelta(days=30)
    assert workflow.status(workflow_id) == Completed(None)


# -- retries

ERROR = ConnectionError("try later")


def test_retry_by_the_managers_default(workflows: WorkflowTester) -> None:
    seen = times_of(workflows, [ERROR] * 4 + ["fine"])
    workflow_id = flows.by_the_managers_default.start()
    workflows.advance(60)
    assert workflow.status(workflow_id) == Completed("default: fine")
    assert waits(seen) == [0.2, 0.4, 0.8, 1.6]


def test_retry_ends_with_the_last_attempt(workflows: WorkflowTester) -> None:
    seen = times_of(workflows, [ERROR] * 9)
    workflow_id = flows.by_the_managers_default.start()
    workflows.advance(60)
    assert workflow.status(workflow_id) == Failed("try later")
    assert len(seen) == 5


@pytest.mark.parametrize(
    "definition", [flows.overrides_the_manager, flows.step_without_retry], ids=lambda each: each.name
)
def test_no_retry_where_workflow_or_step_says_so(workflows: WorkflowTester, definition: Definition[Any, Any]) -> None:
    seen = times_of(workflows, [ERROR, "fine"])
    workflow_id = workflow.start(definition)
    workflows.advance(60)
    assert workflow.status(workflow_id) == Failed("try later")
    assert len(seen) == 1


def test_retry_of_one_steps_own(workflows: WorkflowTester) -> None:
    seen = times_of(workflows, [ERROR] * 9 + ["fine"])
    workflow_id = flows.step_with_its_own.start()
    workflows.advance(600)
    assert workflow.status(workflow_id) == Completed("own: fine")
    assert waits(seen) == pytest.approx([0.5 * 1.5**number for number in range(9)], abs=1e-5)


def test_retry_true_is_the_default_policy(workflows: WorkflowTester) -> None:
    seen = times_of(workflows, [ERROR, "fine"])
    workflow_id = flows.step_asks_for_the_default.start()
    workflows.advance(60)
    assert workflow.status(workflow_id) == Completed("asked for: fine")
    assert waits(seen) == [0.2]


# -- onboarding


def test_onboarding_with_verification_and_refinement(workflows: WorkflowTester) -> None:
    attempts = iter([ERROR, Draft("Hello", needs_human_input=True)])

    def generate(user_id: int) -> Draft:
        found = next(attempts)
        if isinstance(found, Exception):
            raise found
        return found

    workflows.fake(steps.generate_custom_content, calls=generate)
    workflow_id = flows.user_onboarding.start(1)
    workflows.run()
    assert workflow.status(workflow_id) == InProgress(running=["convex verificationEmail"])
    workflow.send_event(workflow_id, verification, {"verified": True})
    workflows.advance(timedelta(hours=23))
    assert noted() == ["verification to 1", "refined for 1"]
    workflows.advance(timedelta(hours=2))
    assert noted() == ["verification to 1", "refined for 1", "follow-up to 1"]
    assert workflow.status(workflow_id) == Completed(None)
    assert_replays(flows.user_onboarding, workflows.history(workflow_id))


def test_onboarding_of_somebody_known(workflows: WorkflowTester) -> None:
    workflow_id = flows.user_onboarding.start(2)
    workflows.advance(timedelta(days=1))
    assert workflow.status(workflow_id) == Completed(None)
    assert noted() == ["verification to 2", "follow-up to 2"]


def test_onboarding_that_is_not_verified_fails(workflows: WorkflowTester) -> None:
    workflow_id = flows.user_onboarding.start(3)
    workflow.send_event(workflow_id, verification, {"verified": False})
    workflows.run()
    assert workflow.status(workflow_id) == Failed("Email verification failed")
    assert workflows.calls(steps.generate_custom_content) == []


# -- best practices


def test_payment_is_made_once_however_often_it_is_asked_for(workflows: WorkflowTester) -> None:
    first, second = flows.paying.start(17, 500), flows.paying.start(17, 900)
    workflows.run()
    paid = Completed(steps.Payment(17, 500))
    assert [workflow.status(first), workflow.status(second)] == [paid, paid]
    assert noted() == ["payment 17"]
    workflow.restart(first, from_step=0)
    workflows.run()
    assert workflow.status(first) == paid
    assert noted() == ["payment 17"]


def test_long_workflow_shows_its_progress(workflows: WorkflowTester) -> None:
    seen: list[int] = []
    real = steps.update_progress

    def update(job_id: int, progress: float) -> None:
        real(job_id, progress)
        seen.append(Counter.objects.get(name=f"job {job_id}").value)

    workflows.fake(steps.update_progress, calls=update)
    workflow_id = flows.long_workflow.start(5)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(None)
    assert seen == list(range(1, 101))
    assert noted() == [f"chunk {chunk} of 5" for chunk in range(100)]
    assert workflow.steps(workflow_id).count() == 200


def test_cancel_while_the_operation_runs_tells_it_and_cleans_up(workflows: WorkflowTester) -> None:
    told: list[int] = []

    def operate(job_id: int) -> str:
        workflow.cancel(workflow_id)
        steps.wait_until_told_to_stop()
        told.append(job_id)
        return "too late"

    workflows.fake(steps.long_operation, calls=operate)
    workflow_id = flows.cancelable_workflow.start(9)
    workflows.run()
    assert told == [9]
    assert workflow.status(workflow_id) == Canceled()
    assert noted() == ["cleaned up after 9"]


def test_cancel_before_the_operation_drops_it_and_cleans_up(workflows: WorkflowTester) -> None:
    workflow_id = flows.cancelable_workflow.with_options(start_async=False).start(9)
    assert workflow.status(workflow_id) == InProgress(running=["tests.testing.convex.steps.long_operation"])
    workflow.cancel(workflow_id)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert noted() == ["cleaned up after 9"]
    assert workflows.calls(steps.long_operation) == []
    assert [each.state for each in workflow.steps(workflow_id)] == ["canceled", "completed"]
