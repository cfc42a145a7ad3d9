"""A handler that stayed in memory and one that replays from zero are the same."""

import pytest

from django_workflows import Completed
from django_workflows.engine.live import live_handlers
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Counter, Effect
from tests.engine.driver import advance, finish, run

workflow = flows.workflow


def journal():
    """What the journal of every workflow says, without times and ids."""
    columns = ("number", "kind", "name", "function", "args", "options", "state", "attempt", "result", "delivery")
    found = []
    for each in Workflow.objects.order_by("id"):
        found.append((each.name, each.state, each.args, each.result, each.delivered))
        # The key of a new row is the database's.
        found += [
            {**step, "result": "a key"} if step["function"].endswith("insert_effect") else step
            for step in each.steps.order_by("number").values(*columns)
        ]
    return found


def clear():
    Step.objects.all().delete()
    Workflow.objects.filter(parent__isnull=False).delete()
    Workflow.objects.all().delete()
    Effect.objects.all().delete()
    Counter.objects.all().delete()
    steps.calls.clear()


SCENARIOS = {
    "sums": lambda: flows.sums.start([1, 2, 3]),
    "mutations": lambda: flows.mutations.start("k", 3),
    "inline": lambda: flows.inline_mutations.start("k", 3),
    "all kinds": lambda: flows.inserts_and_acts.start("k"),
    "parallel": lambda: flows.parallel.start(6),
    "retries": lambda: flows.retries_in_parallel.start("k"),
    "race": lambda: flows.race.start([3, 1, 2]),
    "timeout": lambda: flows.asks_approval.start(5),
    "children": lambda: flows.parent.start([1, 2]),
    "failed child": lambda: flows.careful_parent.start(-1),
    "failed step": lambda: flows.declined.start("1"),
    "failed mutation": lambda: flows.tries_a_mutation.start("k"),
    "given up": lambda: flows.gives_up_on_a_mutation.start("k"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_journals_are_identical(name):
    journals, results = [], []
    for replaying in (False, True):
        results.append(finish(SCENARIOS[name](), replaying=replaying))
        journals.append(journal())
        clear()
    assert results[0] == results[1]
    assert journals[0] == journals[1]


def test_the_store_is_bounded_and_the_oldest_goes_first(settings):
    settings.DJANGO_WORKFLOWS = {"LIVE_HANDLERS": 3}
    started = [flows.sleeper.start(60) for _ in range(5)]
    run()
    assert len(live_handlers) == 3
    assert [live_handlers.peek(each) is not None for each in started] == [False, False, True, True, True]
    for each in started:
        assert finish(each).type == "completed"
    assert len(live_handlers) == 0


def test_a_handler_that_has_seen_less_than_its_journal_is_brought_up_to_it():
    """Another process took a turn meanwhile, so this one's handler is behind."""
    workflow_id = flows.race.start([10, 20])
    run()
    behind = live_handlers.peek(workflow_id)
    live_handlers._handlers.clear()
    advance(11)
    run()
    live_handlers.clear()
    live_handlers.keep(workflow_id, behind)
    assert finish(workflow_id) == Completed([0, 1])


def test_a_handler_that_has_seen_more_than_its_journal_is_not_used():
    workflow_id = flows.race.start([10, 20])
    run()
    live_handlers.peek(workflow_id).replay.delivered += 1
    assert finish(workflow_id) == Completed([0, 1])


@pytest.mark.parametrize("replaying", [False, True])
def test_time_randomness_and_ids_are_the_same(replaying):
    assert finish(flows.deterministic.start(), replaying=replaying).type == "completed"
