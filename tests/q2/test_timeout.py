"""django-q2's own timeout: it ends the attempt that it fires in, and the worker; nothing else."""

import json

from django_workflows.models import Step
from tests.app.cluster_workflows import chain, workflow
from tests.app.cluster_workflows import one as one_step
from tests.app.models import Effect
from tests.cluster import is_alive
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

#: ``drain`` far below the timeout, so that a step has most of it.
#: It ends what runs in the main thread, so there are no others.
SHORT = {
    "q": {"workers": 1, "timeout": 4, "retry": 60},
    "workflows": {"LEASE": 300, "DRAIN_SECONDS": 0.5, "ACTION_THREADS": 0},
}
TIMEOUT = "django_q.exceptions.TimeoutException"


def test_step_without_retry_fails_and_the_worker_is_replaced(cluster, log: Log) -> None:
    running = cluster(**SHORT)
    workflow_id = one_step.start("action", "act", [log.path, "x", 30])
    worker = log.wait_for("begin-x").pid
    assert workflow.result(workflow_id, timeout=PATIENCE).startswith(TIMEOUT)
    wait_for(lambda: not is_alive(worker), message="the worker was not replaced")
    assert workflow.result(chain.start(log.path, 3), timeout=PATIENCE) == 3
    (replacement,) = running.workers()
    assert log.notes[-1].pid == replacement != worker
    assert log.texts.count("begin-x") == 1


def test_retry_is_another_attempt_and_the_first_is_recorded(cluster, log: Log) -> None:
    cluster(**SHORT)
    workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 30], retry=True)
    assert workflow.result(workflow_id, timeout=PATIENCE) == 2
    step = Step.objects.get(workflow_id=workflow_id)
    (failure,) = json.loads(step.failures)
    assert failure["type"] == TIMEOUT
    assert "4 seconds" in failure["message"]


def test_an_action_in_a_thread_is_not_hit(cluster, log: Log) -> None:
    cluster(**{**SHORT, "workflows": {**SHORT["workflows"], "ACTION_THREADS": 8}})
    workflow_id = one_step.start("action", "act", [log.path, "x", 6])
    assert workflow.result(workflow_id, timeout=PATIENCE) == "x"
    assert log.texts == ["begin-x", "end-x"]


def test_mutation_is_rolled_back_and_fails(cluster, log: Log) -> None:
    cluster(**SHORT)
    workflow_id = one_step.start("mutation", "change", [log.path, "x", 30])
    assert workflow.result(workflow_id, timeout=PATIENCE).startswith(TIMEOUT)
    assert not Effect.objects.exists()
    assert workflow.result(chain.start(log.path, 2), timeout=PATIENCE) == 2


def test_long_chain_of_short_steps_is_not_hit(cluster, log: Log) -> None:
    """A drain ends long before django-q2's timeout, which counts from its start."""
    cluster(**SHORT)
    workflow_id = chain.start(log.path, 12, 0.4)
    assert workflow.result(workflow_id, timeout=PATIENCE) == 12
    assert not Step.objects.exclude(attempt=1).exists()
    assert len({note.pid for note in log.notes}) == 1, "the worker was replaced on the way"


def test_step_after_a_long_one_has_the_whole_timeout(cluster, log: Log) -> None:
    cluster(**SHORT)
    workflow_id = chain.start(log.path, 3, 2.2)
    assert workflow.result(workflow_id, timeout=PATIENCE) == 3
    assert log.texts == [f"{edge}-{index}" for index in range(3) for edge in ("begin", "end")]
