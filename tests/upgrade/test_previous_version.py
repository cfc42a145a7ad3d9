"""The previous version's code runs on the new tables, and its workflows go on with the new code, and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db.models import QuerySet

from django_workflows import Completed, InProgress
from django_workflows.core.registry import registry
from django_workflows.engine.drain import drain
from django_workflows.engine.live import live_handlers
from django_workflows.engine.rerun_on_complete import rerun_on_complete
from django_workflows.engine.worker import Worker
from django_workflows.models import Pool, PoolStart, Step, Workflow
from django_workflows.store.attempts import release
from tests.app import callbacks
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.cluster import Cluster
from tests.engine.driver import claim, finish, run
from tests.engine.replays import assert_all_replay
from tests.waiting import wait_for

workflow = flows.workflow

#: Runs in the previous version's folder. ``RESULT`` is what it tells us.
PREAMBLE = """
import json, sys
import django
django.setup()
import django_workflows
from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from tests.app import workflows as flows

workflow = flows.workflow
ids = {key: value for key, value in json.loads(sys.argv[1]).items()}
RESULT = {"package": django_workflows.__file__}
"""

START = """
RESULT["done"] = str(flows.sums.start([1, 2, 3]))
RESULT["asks"] = str(flows.asks_approval.start())
RESULT["early"] = str(flows.asks_approval.start())
RESULT["sleeps"] = str(flows.sleeper.start(2))
RESULT["retries"] = str(flows.retried.start("n", 2))
RESULT["parent"] = str(flows.parent.start([1, 2]))
RESULT["mutations"] = str(flows.mutations.start("k", 3))
drain(Worker(), seconds=10)
workflow.send_event(RESULT["early"], "approval", True)
RESULT["later"] = str(flows.parallel.start(3))
RESULT["canceled"] = str(flows.cleans_up.start("c"))
"""

GO_ON = """
workflow.send_event(ids["asks"], "approval", False)
workflow.restart(ids["failed"])
drain(Worker(), seconds=10)
workflow.cancel(ids["waits"])
RESULT["statuses"] = {key: workflow.status(value).type for key, value in ids.items()}
"""

#: Of six steps in a pool of two, some are due and the others wait for a place.
IN_A_POOL = """
from django_workflows.core.registry import registry
from django_workflows.store import steps

left = iter([False])
RESULT["pooled"] = str(flows.limited_parallel.start(6))
drain(Worker(), stop=lambda: next(left, True))
claimed = [steps.claim("", "another", registry.pools) for _ in range(4)]
RESULT["claimed"] = sum(step is not None for step in claimed)
for step in filter(None, claimed):
    steps.release(step, 0.0)
"""

FINISH_POOL = """
import time
until = time.monotonic() + 60
while workflow.status(ids["pooled"]).type == "in_progress" and time.monotonic() < until:
    drain(Worker(), seconds=5)
RESULT["status"] = workflow.status(ids["pooled"]).type
"""


WITH_A_CALLBACK = """
from tests.app import callbacks
for key in ("registered", "unknown"):
    RESULT[key] = str(flows.asks_approval.with_options(on_complete=callbacks.remember).start())
drain(Worker(), seconds=10)
"""


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    live_handlers.clear()
    yield
    live_handlers.clear()


@pytest.fixture
def then(previous: Path) -> Callable[..., dict[str, Any]]:
    """Runs code in the previous version, on this test's database."""

    def run_there(code: str, **ids: object) -> dict[str, Any]:
        script = f"{PREAMBLE}\n{code}\nprint('RESULT', json.dumps(RESULT))"
        words = json.dumps({key: str(value) for key, value in ids.items()})
        done = subprocess.run(
            [sys.executable, "-c", script, words],
            cwd=previous,
            env=environment(previous),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout.rpartition("RESULT ")[2])
        assert result["package"].startswith(str(previous))
        return result

    return run_there


def environment(folder: Path) -> dict[str, str]:
    name = str(settings.DATABASES["default"]["NAME"])
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DJANGO_WORKFLOWS_TEST_DB_NAME": name,
    }


def test_workflows_of_the_previous_version_go_on_with_the_new_code(then: Callable[..., dict[str, Any]]) -> None:
    ids = {key: UUID(value) for key, value in then(START).items() if key != "package"}

    assert workflow.status(ids["done"]) == Completed(6)
    assert workflow.status(ids["mutations"]) == Completed(3)
    assert workflow.status(ids["asks"]) == InProgress(running=["approval"])
    assert Workflow.objects.filter(blocked_message="").count() == Workflow.objects.count()
    workflow.send_event(ids["asks"], flows.approval, False)
    assert finish(ids["asks"]) == Completed("no")
    assert finish(ids["early"]) == Completed("yes")
    assert finish(ids["sleeps"]).type == "completed"
    assert finish(ids["retries"]) == Completed(2)
    assert finish(ids["parent"]) == Completed([101, 102])
    assert finish(ids["later"]) == Completed(6)
    workflow.cancel(ids["canceled"])
    assert finish(ids["canceled"]).type == "canceled"
    workflow.restart(ids["done"], from_step=1)
    assert finish(ids["done"]) == Completed(6)
    assert_all_replay()


def test_and_back_again(then: Callable[..., dict[str, Any]]) -> None:
    """What the new code has begun is finished by the old one, on the new tables."""
    asks, failed, waits = flows.asks_approval.start(), flows.fails.start(), flows.asks_approval.start()
    run()
    begun = {"sums": flows.sums.start([4, 5]), "parent": flows.parent.start([3]), "parallel": flows.parallel.start(2)}

    statuses = then(GO_ON, asks=asks, failed=failed, waits=waits, **begun)["statuses"]

    assert statuses == {
        "asks": "completed",
        "failed": "failed",
        "waits": "canceled",
        **dict.fromkeys(begun, "completed"),
    }
    assert workflow.status(begun["sums"]) == Completed(9)
    assert workflow.status(begun["parent"]) == Completed([103])
    assert_all_replay()


def test_a_pool_of_the_previous_version_is_shared_out_by_the_new_one(then: Callable[..., dict[str, Any]]) -> None:
    found = then(IN_A_POOL)

    steps = workflow.steps(found["pooled"])
    assert found["claimed"] == 2
    assert steps.filter(state="queued", due_at=None).count() >= 2, "waiting for a place"
    assert finish(UUID(found["pooled"])) == Completed(21)


def test_a_pool_of_the_new_version_is_shared_out_by_the_previous_one(then: Callable[..., dict[str, Any]]) -> None:
    """Which knows ``max_parallelism``, and no ``rate_limit``: it neither waits for one nor counts for it."""
    Pool.objects.create(name="tests.limited", max_parallelism=1, rate_limit=2, rate_period=timedelta(seconds=1))
    pooled, left = flows.limited_parallel.start(6), iter([False])
    drain(Worker(), stop=lambda: next(left, True))
    for step in filter(None, [claim("another") for _ in range(4)]):
        release(step.attempt_id, 0.0)
    assert workflow.steps(pooled).filter(state="queued", due_at=None).count() >= 2, "waiting for a place"
    begun = PoolStart.objects.count()
    assert begun > 0

    assert then(FINISH_POOL, pooled=pooled)["status"] == "completed"
    assert workflow.status(pooled) == Completed(21)
    assert PoolStart.objects.count() == begun
    assert_all_replay()


def test_callbacks_of_the_previous_version_are_called_once_they_are_registered(
    then: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not sealed: the outcome is kept, and the callback can be run afterwards."""
    found = then(WITH_A_CALLBACK)
    ids = {key: UUID(found[key]) for key in ("registered", "unknown")}

    workflow.send_event(ids["unknown"], flows.approval, True)
    assert finish(ids["unknown"]) == Completed("yes")
    assert "CallbackRefused" in str(Workflow.objects.get(id=ids["unknown"]).on_complete_error)
    monkeypatch.setitem(registry.callbacks, "tests.app.callbacks.remember", callbacks.remember)
    workflow.send_event(ids["registered"], flows.approval, True)
    assert finish(ids["registered"]) == Completed("yes")
    assert rerun_on_complete(ids["unknown"])
    assert Effect.objects.filter(key__in=[f"completed {each}" for each in ids.values()]).count() == 2


@pytest.mark.cluster
def test_clusters_of_both_versions_work_side_by_side(
    previous: Path, cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As during a rolling deploy: each takes what is due, whoever has begun it."""
    import tests.cluster as module

    cluster(q={"workers": 1})
    monkeypatch.setattr(module, "ROOT", previous)
    older = cluster(q={"workers": 1}, env={"PYTHONPATH": str(previous)})
    ids = [flows.sums.start([1, 2, 3]) for _ in range(10)]
    ids += [flows.parallel.start(4) for _ in range(5)] + [flows.retried.start(f"n{index}", 2) for index in range(5)]
    ids += [flows.parent.start([1, 2]) for _ in range(5)]
    ids += [flows.limited_parallel.start(6) for _ in range(5)]

    def all_ended() -> bool:
        return not Workflow.objects.filter(state="in_progress").exists()

    wait_for(all_ended)
    assert {workflow.status(each).type for each in ids} == {"completed"}
    assert "Traceback" not in older.log
    assert at_once(Step.objects.filter(pool="tests.limited")) <= 2
    assert_all_replay()


def at_once(steps: QuerySet[Step]) -> int:
    """How many of these steps ran at one moment, at the most."""
    spans = list(steps.values_list("started_at", "finished_at"))
    return max(sum(begin <= start < end for begin, end in spans) for start, _ in spans)
