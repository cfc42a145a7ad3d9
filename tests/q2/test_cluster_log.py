"""What a cluster's log says at INFO: what ran, by name, and nothing of what only brings word of it."""

import logging
import re

import pytest

from django_workflows.q2.cluster_log import _OURS, WithoutDrains, speak
from django_workflows.q2.process import DRAIN
from django_workflows.q2.tasks import DELETION, SWEEP
from tests.app import workflows as flows
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_keeps_back_our_own_tasks_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    assert tuple(f"'{task}'" for task in (DRAIN, SWEEP, DELETION)) == _OURS
    logger = logging.getLogger("django-q")
    assert any(isinstance(each, WithoutDrains) for each in logger.filters)
    caplog.set_level(logging.INFO, "django-q")
    logger.addHandler(caplog.handler)
    try:
        logger.info("Worker processing one '%s'", DRAIN)
        logger.info(f"Worker processing two '{DRAIN}'")  # noqa: G004 - as django-q2 does
        logger.info("Worker processing three 'shop.tasks.send'")
        logger.error(f"Failed '{DRAIN}' (four)")  # noqa: G004
    finally:
        logger.removeHandler(caplog.handler)
    assert "three" in caplog.text
    assert "four" in caplog.text
    assert "two" not in caplog.text


def test_the_projects_own_logging_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = logging.getLogger("django_workflows")
    monkeypatch.setattr(ours, "level", logging.WARNING)
    before = list(ours.handlers)
    speak()
    assert (ours.level, ours.handlers) == (logging.WARNING, before)


def test_where_nobody_decided_our_lines_stand_beside_django_q2s(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = logging.getLogger("django_workflows"), logging.getLogger("django-q")
    handler = logging.StreamHandler()
    for logger, values in (
        (ours, {"handlers": [], "propagate": False, "level": logging.NOTSET}),
        (theirs, {"handlers": [handler], "level": logging.INFO}),
    ):
        for name, value in values.items():
            monkeypatch.setattr(logger, name, value)
    speak()
    speak()
    assert (ours.level, ours.handlers) == (logging.INFO, [handler])


@pytest.mark.parametrize("command", [("qcluster",), ("workflows", "cluster")])
def test_the_log_of_a_cluster_says_what_ran(cluster, command: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    running = cluster(command=command)
    workflow_id = flows.sums.start([1, 2])
    slow = flows.call.start("action", "nap", {"seconds": 1.2}, {})
    wait_for(lambda: flows.workflow.list(state="completed").count() == 2, message="they did not complete")
    name = re.escape(flows.sums.name)
    wait_for(
        lambda: re.search(rf"Workflow {name} {workflow_id} is completed after \d", running.log), message="no word of it"
    )
    wait_for(
        lambda: re.search(
            rf"Step 0 \(tests\.app\.steps\.nap\) of \S+ {slow} is completed, at attempt 1 after 1\.", running.log
        ),
        message="no word of the slow step",
    )
    assert "tasks.drain" not in running.log
    assert "steps.add" not in running.log
