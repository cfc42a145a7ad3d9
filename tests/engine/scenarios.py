"""One workflow of each kind, with what it comes to."""

import json

from django.db import transaction

from django_workflows import Completed
from django_workflows.models import Event, Step, Workflow
from tests.app import callbacks, steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, reset_clock
from tests.engine.replays import assert_all_replay

workflow = flows.workflow
OPTIONS = {"on_complete": callbacks.remember, "idempotency_key": "one", "context": 7}


def all_kinds():
    return flows.inserts_and_acts.with_options(**OPTIONS).start("k")


def inline():
    return flows.inline_mutations.with_options(**OPTIONS).start("k", 2)


def at_once():
    """Part of a caller's transaction, which looks first whether it has been here before."""
    with transaction.atomic():
        Effect.objects.get_or_create(key="k-callers")
        return flows.inline_mutations.with_options(start_async=False, **OPTIONS).start("k", 2)


def retries():
    return flows.retries_in_parallel.with_options(**OPTIONS).start("k")


def parent():
    return flows.inserting_parent.with_options(**OPTIONS).start("k")


def race():
    return flows.race.with_options(**OPTIONS).start([2, 1])


def failing():
    return flows.tries_a_mutation.with_options(**OPTIONS).start("k")


SCENARIOS = [
    (all_kinds, ["k-1", 3, "k-3", "k-4", ["k-1", "k-3", "k-4"]], {"k-1", "k-3", "k-4"}),
    (inline, 2, {"k-0", "k-1"}),
    (at_once, 3, {"k-0", "k-1", "k-callers"}),
    (retries, ["a", "k-1", "b", "k-2", "k-3"], {"k-1", "k-2", "k-3"}),
    (parent, [1, 2], {"k-1", "k-2"}),
    (race, [1, 0], set()),
    (failing, ["no money", "k-2"], {"k-2"}),
]


def start_over():
    for model in (Event, Step, Effect):
        model.objects.all().delete()
    Workflow.objects.filter(parent__isnull=False).delete()
    Workflow.objects.all().delete()
    steps.calls.clear()
    reset_clock()


def check_end(start, result, effects, where):
    """A client that had no answer starts again, with the same key; the workflow ends as if nobody had ever died."""
    workflow_id = start()
    status = finish(workflow_id)
    assert status == Completed(result), (where, status)
    assert set(Effect.objects.values_list("key", flat=True)) == {*effects, f"completed {workflow_id}"}, where
    assert json.loads(Effect.objects.get(key=f"completed {workflow_id}").value) == ["success", result, 7], where
    ended = Workflow.objects.get(parent__isnull=True)
    assert (ended.id, ended.on_complete_error) == (workflow_id, None), where
    assert not Workflow.objects.filter(state="in_progress").exists(), where
    assert_all_replay()
