"""What kills its worker each time is set aside after a bounded number of deliveries; everything else goes on."""

from datetime import timedelta

from django_workflows.engine.health import check_health
from django_workflows.models import Workflow
from django_workflows.store.database import now
from tests.app.cluster_workflows import chain, kills_its_worker, patiently, wakes_up, workflow
from tests.app.cluster_workflows import one as one_step
from tests.cluster import HARDENED
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

LOST = "django_workflows.exceptions.AttemptLost"
DELIVERIES = 3


def test_poisoned_turns_and_steps_are_set_aside(cluster, log: Log) -> None:
    running = cluster(command=HARDENED, workflows={"LEASE": 300, "MAX_DELIVERIES": DELIVERIES, "ACTION_THREADS": 0})
    turn = kills_its_worker.start(log.path)
    mutation = one_step.start("mutation", "die", [log.path, "mutation"])
    query = one_step.start("query", "die", [log.path, "query"])
    retried = one_step.start("action", "die", [log.path, "retried"], retry=True)
    action = one_step.start("action", "die", [log.path, "action"])
    patient = patiently.start("die", [log.path, "patient"])
    # Their timers are over at the same instant, so that a worker takes several at once.
    instant = now() + timedelta(seconds=2)
    sleepers = wakes_up.start_many([(log.path, instant, number % 12 == 5) for number in range(24)])
    deadly = [each for number, each in enumerate(sleepers) if number % 12 == 5]
    healthy = [chain.start(log.path, 3) for _ in range(10)]
    for each in healthy:
        assert workflow.result(each, timeout=PATIENCE) == 3
    for each in (mutation, query, retried, action):
        assert workflow.result(each, timeout=PATIENCE).startswith(LOST)
    failure = workflow.result(patient, timeout=PATIENCE)
    assert failure.startswith(LOST)
    assert f"{DELIVERIES} attempts of this step were lost, each with its worker" in failure
    assert f"MAX_DELIVERIES is {DELIVERIES}: it is not retried" in failure
    blocked = wait_for(lambda: workflow.status(turn).blocked, message="the poisoned turn is not blocked")
    assert blocked.reason == "crash_loop"
    assert f"claimed in vain {DELIVERIES} times" in blocked.message
    for each in sleepers:
        if each not in deadly:
            assert workflow.result(each, timeout=PATIENCE) is False
    for each in deadly:
        wait_for(lambda each=each: workflow.status(each).blocked, message="the poisoned timer is not blocked")
    assert log.texts.count("die-turn") == DELIVERIES
    # Either may have been counted once in the company of the other, and not have run then.
    assert 2 * (DELIVERIES - 1) <= log.texts.count("die-timer") <= 2 * DELIVERIES
    assert log.texts.count("die-mutation") == log.texts.count("die-query") == DELIVERIES
    assert log.texts.count("die-retried") == 3
    assert log.texts.count("die-patient") == DELIVERIES, "of fifty attempts that it may have"
    assert log.texts.count("die-action") == 1
    assert Workflow.objects.get(pk=turn).due_at is None, "it would be claimed again"
    health = check_health()
    assert (health.ok, health.blocked, set(health.blocked_ids)) == (True, 3, {turn, *deadly})
    assert workflow.result(chain.start(log.path, 3), timeout=PATIENCE) == 3
    assert running.stop() == 0
