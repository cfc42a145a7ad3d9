"""Which branch of ``step.patched`` the workflows in progress take, and whose old branch none of them needs."""

from asgiref.sync import async_to_sync
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_workflows import WorkflowContext, WorkflowManager
from django_workflows.core.registry import registry
from django_workflows.engine.patches import PatchUse
from django_workflows.models import Workflow
from django_workflows.store.listings import in_progress
from tests.app import steps
from tests.engine.driver import advance, run
from tests.engine.test_mismatches import deployed

workflow = WorkflowManager()
NAME = "tests deployed"


async def original(step: WorkflowContext) -> None:
    await step.sleep(100)
    await step.run_action(steps.record, "old")
    await step.sleep(1000)


async def patched(step: WorkflowContext) -> None:
    await step.sleep(100)
    if step.patched("new way"):
        await step.run_action(steps.record, "new")
    else:
        await step.run_action(steps.record, "old")
    await step.sleep(1000)


async def begins_otherwise(step: WorkflowContext) -> None:
    await step.run_action(steps.record, "first")
    step.patched("new way")


def begin(count: int) -> None:
    for _ in range(count):
        registry.find(NAME).start()  # type: ignore[attr-defined]
    run()


def use(old: int, new: int, ahead: int, unclear: int, *, removable: bool) -> PatchUse:
    return PatchUse(NAME, "new way", old, new, ahead, unclear, removable)


def test_those_beyond_the_point_need_the_old_branch_until_they_end() -> None:
    with deployed(original):
        begin(2)
        advance(101)
        run()
        begin(3)
    with deployed(patched):
        begin(1)
        registry.find(NAME).start()  # type: ignore[attr-defined] # no turn yet
        assert workflow.patches().uses == (use(2, 0, 5, 0, removable=False),)
        advance(101)
        run()
        assert workflow.patches().uses == (use(2, 4, 1, 0, removable=False),)
        advance(950)
        run()
        assert workflow.patches().uses == (use(0, 5, 0, 0, removable=True),)


def test_nothing_is_run_or_written() -> None:
    with deployed(patched):
        begin(1)
        advance(101)
        run()
        calls, rows = list(steps.calls), list(Workflow.objects.values())
        assert workflow.patches().examined == 1
        assert (steps.calls, list(Workflow.objects.values())) == (calls, rows)


def test_the_marker_of_a_journal_that_does_not_replay_is_known_all_the_same() -> None:
    with deployed(patched):
        begin(3)
        advance(101)
        run()
    with deployed(begins_otherwise):
        assert workflow.patches().uses == (use(0, 3, 0, 0, removable=True),)


def test_while_one_does_not_replay_no_branch_is_called_removable() -> None:
    with deployed(patched):
        begin(1)
        advance(101)
        run()
        begin(1)
    with deployed(begins_otherwise):
        assert workflow.patches().uses == (use(0, 1, 0, 1, removable=False),)
    with deployed(None):
        assert workflow.patches().uses == (use(0, 1, 0, 1, removable=False),)
    with deployed(patched):
        assert workflow.patches().uses == (use(0, 1, 1, 0, removable=True),)


def test_a_report_that_did_not_look_at_all_calls_nothing_removable() -> None:
    with deployed(patched):
        begin(3)
        advance(101)
        run()
        part = workflow.patches(limit=2)
        assert (part.examined, part.whole, part.uses) == (2, False, (use(0, 2, 0, 0, removable=False),))
        exact = workflow.patches(limit=3)
        assert (exact.examined, exact.whole, exact.uses) == (3, True, (use(0, 3, 0, 0, removable=True),))


def test_it_costs_a_few_reads_per_journal_and_pages_beyond_a_batch() -> None:
    with deployed(patched):
        begin(7)
        advance(101)
        run()
        with CaptureQueriesContext(connection) as read:
            assert workflow.patches().examined == 7
        assert len([query for query in read if "SELECT" in query["sql"]]) <= 2 * 7 + 2
        newest = list(Workflow.objects.order_by("-id").values_list("id", flat=True))
        assert list(in_progress(None, batch=3)) == newest
        assert list(in_progress(NAME, batch=7)) == newest


def test_one_definition_is_asked_for_and_the_others_are_not_replayed() -> None:
    with deployed(patched):
        begin(1)
        advance(101)
        run()
        assert workflow.patches(name="nothing of that name").examined == 0
        assert async_to_sync(workflow.apatches)(name=NAME) == workflow.patches(name=NAME)
        assert workflow.patches(name=NAME).examined == 1
