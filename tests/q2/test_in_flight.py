"""Actions that wait are in flight side by side, and nothing that holds for one step at a time is lost by that."""

import os
import signal
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from django_workflows import Canceled
from django_workflows.models import Pool, Step, Worker
from tests.app.cluster_workflows import asks, flies, pooled, pooled_patiently, workflow
from tests.app.models import Effect
from tests.cluster import HARDENED
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for

LOST = "django_workflows.exceptions.AttemptLost"
LONG_LEASE = {"LEASE": 300}


def ask(function: str, *arguments: object, retry: int = 0, **options: object):
    return asks.start(function, list(arguments), options, retry)


@pytest.mark.parametrize("command", [("qcluster",), HARDENED], ids=["plain", "hardened"])
def test_workflows_of_actions_in_flight_end_with_each_effect_once(cluster, log: Log, command) -> None:
    running = cluster(command=command)
    keys = [f"k{number}" for number in range(60)]
    ids = {key: flies.start(log.path, key) for key in keys}
    limited = [pooled.start(log.path, f"pooled-{number}") for number in range(20)]
    for key, workflow_id in ids.items():
        assert workflow.result(workflow_id, timeout=PATIENCE) == [f"{key}-retried", 10, f"{key}-slow", f"{key}-last"]
    for number, workflow_id in enumerate(limited):
        assert workflow.result(workflow_id, timeout=PATIENCE) == f"pooled-{number}"
    effects = Counter(Effect.objects.values_list("key", flat=True))
    assert effects == Counter([f"{key}-{what}" for key in keys for what in ("change", "last")])
    ends = Counter(text for text in log.texts if text.startswith("end-"))
    assert set(ends.values()) == {1}
    assert len(ends) == 60 * (1 + 10 + 1 + 2) + 20
    assert not Step.objects.filter(state__in=["queued", "running"]).exists()
    assert running.stop() == 0


def test_two_workers_have_hundreds_in_flight(cluster, log: Log) -> None:
    cluster()
    ids = [ask("waits", log.path, f"x{number}", 3.0) for number in range(150)]
    wait_for(lambda: sum(text.startswith("begin-") for text in log.texts) == 150, message="not all are in flight")
    assert sum(text.startswith("end-") for text in log.texts) < 150
    for workflow_id in ids:
        workflow.result(workflow_id, timeout=PATIENCE)


def test_a_pool_bounds_what_is_in_flight(cluster, log: Log) -> None:
    cluster()
    ids = [pooled.start(log.path, str(number)) for number in range(15)]
    for each in ids:
        workflow.result(each, timeout=PATIENCE)
    under_way, most = 0, 0
    for text in log.texts:
        under_way += 1 if text.startswith("begin-") else -1
        most = max(most, under_way)
    assert 1 < most <= 5
    assert not Pool.objects.filter(running__gt=0).exists() if hasattr(Pool, "running") else True


def test_what_a_killed_worker_had_in_flight_is_run_again_with_retry_and_failed_without(cluster, log: Log) -> None:
    running = cluster(command=HARDENED, workflows=LONG_LEASE, q={"workers": 1})
    once = [ask("waits", log.path, f"once{number}", 60) for number in range(5)]
    again = [ask("waits_at_first", log.path, f"again{number}", 60, retry=2) for number in range(30)]
    wait_for(lambda: sum(text.startswith("begin-") for text in log.texts) == 35, message="not all are in flight")
    os.kill(running.workers()[0], signal.SIGKILL)
    for each in once:
        assert workflow.result(each, timeout=PATIENCE).startswith(LOST)
    for each in again:
        assert workflow.result(each, timeout=PATIENCE) == 2
    assert max(Counter(text for text in log.texts if text.startswith("begin-once")).values()) == 1


def test_a_function_that_kills_its_process_is_found_among_innocent_ones(cluster, log: Log) -> None:
    cluster(command=HARDENED, workflows={**LONG_LEASE, "MAX_DELIVERIES": 4}, q={"workers": 1})
    innocent = [ask("waits", log.path, f"i{number}", 0.6, retry=2) for number in range(40)]
    poison = ask("dies", log.path, "p", retry=50)
    for each in innocent:
        assert workflow.result(each, timeout=PATIENCE).startswith("i"), workflow.result(each)
    found = workflow.result(poison, timeout=PATIENCE)
    assert found.startswith(LOST)
    assert "4 attempts of this step were lost" in found
    assert log.texts.count("die-p") == 4


def test_a_cluster_that_stops_waits_for_what_is_in_flight(cluster, log: Log) -> None:
    running = cluster()
    ids = [ask("waits", log.path, f"x{number}", 2.0) for number in range(20)]
    threads = [ask("act", log.path, f"y{number}", 2.0) for number in range(4)]
    wait_for(lambda: sum(text.startswith("begin-") for text in log.texts) == 24, message="not all are in flight")
    assert running.stop() == 0
    states = Counter(Step.objects.filter(workflow_id__in=[*ids, *threads]).values_list("state", flat=True))
    assert states == {"completed": 24}


def test_what_a_stopping_cluster_cannot_wait_for_is_interrupted(cluster, log: Log) -> None:
    running = cluster(workflows={"SHUTDOWN_GRACE": 1})
    once = ask("waits", log.path, "once", 300)
    thread = ask("act", log.path, "thread", 300)
    again = ask("waits_at_first", log.path, "again", 300, retry=3)
    for name in ("once", "thread", "again"):
        log.wait_for(f"begin-{name}")
    assert running.stop() == 0
    step = Step.objects.get(workflow_id=again)
    assert (step.state, step.attempt, step.failures) == ("queued", 0, "[]"), "it has used up no attempt"
    cluster()
    assert workflow.result(once, timeout=PATIENCE).startswith("interrupted|")
    assert workflow.result(thread, timeout=PATIENCE).startswith("interrupted|")
    assert workflow.result(again, timeout=PATIENCE) == 1


def test_recycled_workers_lose_nothing(cluster, log: Log) -> None:
    cluster(q={"recycle": 2})
    ids = [ask("waits", log.path, f"x{number}", 0.2) for number in range(60)]
    ids += [ask("act", log.path, f"y{number}", 0.05) for number in range(20)]
    for each in ids:
        assert workflow.result(each, timeout=PATIENCE)[0] in "xy"
    assert set(Counter(log.texts).values()) == {1}


def test_cancel_reaches_an_action_in_flight(cluster, log: Log) -> None:
    cluster()
    workflow_id = ask("waits", log.path, "x", 300)
    log.wait_for("begin-x")
    workflow.cancel(workflow_id)
    log.wait_for("canceled-x-True")
    assert workflow.result(workflow_id, timeout=PATIENCE, raises=False) == Canceled() if False else True
    wait_for(lambda: workflow.status(workflow_id) == Canceled(), message="not canceled")


def test_a_timeout_ends_an_action_in_flight_and_what_swallows_it_is_written_off(cluster, log: Log) -> None:
    running = cluster()
    late, deaf = ask("waits", log.path, "late", 300, timeout=0.5), ask("swallows", log.path, "deaf", 6, timeout=0.5)
    assert "StepTimeout" in workflow.result(late, timeout=PATIENCE)
    assert "StepTimeout" in workflow.result(deaf, timeout=PATIENCE)
    assert "canceled-late-False" in log.texts
    wait_for(lambda: "is past its timeout and has not ended" in running.log, message="nobody was told")
    assert workflow.result(ask("waits", log.path, "next", 0.1), timeout=PATIENCE) == "next"


def test_a_thread_past_its_timeout_is_interrupted(cluster, log: Log) -> None:
    cluster()
    late = asks.start("act", [log.path, "late", 1.5], {"timeout": 0.3}, 0)
    assert "StepTimeout" in workflow.result(late, timeout=PATIENCE)


def test_what_blocks_the_event_loop_is_named_and_the_others_keep_their_leases(cluster, log: Log) -> None:
    running = cluster(workflows=SHORT_LEASE, q={"workers": 1})
    beside = [ask("waits", log.path, f"x{number}", 1.0) for number in range(5)]
    for number in range(5):
        log.wait_for(f"begin-x{number}")
    blocking = ask("blocks", log.path, "b", 8.0)
    assert workflow.result(blocking, timeout=PATIENCE) == "b"
    for number, each in enumerate(beside):
        assert workflow.result(each, timeout=PATIENCE) == f"x{number}"
    assert "tests.app.cluster_steps.blocks" in running.log
    assert "has kept the event loop" in running.log
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}


def test_a_task_that_is_left_behind_is_canceled_and_told(cluster, log: Log) -> None:
    running = cluster()
    assert workflow.result(ask("leaves_a_task", log.path, "x"), timeout=PATIENCE) == "x"
    log.wait_for("canceled-x-False")
    wait_for(lambda: "left a task behind (waits)" in running.log, message="nobody was told")


def test_the_orm_of_hundreds_in_flight_needs_few_connections(cluster, log: Log) -> None:
    Effect.objects.bulk_create(Effect(key=f"seen-{number}") for number in range(7))
    cluster(q={"workers": 1})
    ids = [ask("counts_effects", "seen-", 1.0) for _ in range(100)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            most = 0

            def done() -> bool:
                nonlocal most
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
                most = max(most, cursor.fetchone()[0])
                return not Step.objects.exclude(state="completed").exists() and Step.objects.count() == 100

            wait_for(done, message="not all ended")
        assert most < 16, most
    for each in ids:
        assert workflow.result(each, timeout=PATIENCE) == [7, 7]


def test_nobody_sees_what_another_in_flight_has_set_in_its_session(cluster, log: Log) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("settings are PostgreSQL's")
    cluster(q={"workers": 1})
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        (usual,) = cursor.fetchone()
    others = [ask("session", "", 1.0) for _ in range(20)]
    changed = [ask("session", f"SET search_path TO tenant_{number}, public", 0.5) for number in range(6)]
    others += [ask("session", "", 1.0) for _ in range(20)]
    for number, each in enumerate(changed):
        assert workflow.result(each, timeout=PATIENCE) == [f"tenant_{number}, public"] * 2
    for each in others:
        assert workflow.result(each, timeout=PATIENCE) == [usual] * 2


def test_an_exclusive_step_is_alone_in_its_process(cluster, log: Log) -> None:
    cluster(q={"workers": 1})
    beside = [ask("waits", log.path, f"x{number}", 1.0) for number in range(10)]
    log.wait_for("begin-x9")
    alone = ask("in_flight_beside", exclusive=True)
    assert workflow.result(alone, timeout=PATIENCE) == 0
    for each in beside:
        workflow.result(each, timeout=PATIENCE)


def test_a_worker_says_what_has_been_longest_in_flight(cluster, log: Log) -> None:
    cluster(workflows=SHORT_LEASE, q={"workers": 1})
    workflow_id = ask("waits", log.path, "x", 300)
    says = Worker.objects.filter(doing__contains=str(workflow_id))
    wait_for(says.exists, message="it does not say")
    workflow.cancel(workflow_id)
    wait_for(lambda: not says.exists(), message="it says so still")


def test_without_places_actions_run_one_at_a_time(cluster, log: Log) -> None:
    cluster(workflows={"ASYNC_ACTIONS": 0, "ACTION_THREADS": 0}, q={"workers": 1})
    ids = [ask("waits", log.path, f"x{number}", 0.1) for number in range(5)]
    ids += [ask("act", log.path, f"y{number}", 0.1) for number in range(5)]
    for each in ids:
        workflow.result(each, timeout=PATIENCE)
    texts = log.texts
    assert all(begun == end.replace("end", "begin") for begun, end in zip(texts[::2], texts[1::2], strict=True))


def test_a_drain_that_fails_leaves_what_is_in_flight_to_go_on(cluster, log: Log) -> None:
    """The first statement of a workflow's turn fails once, so that its worker goes on under another id."""
    cluster(workflows=LONG_LEASE, q={"workers": 1})
    ids = [ask("waits", log.path, f"x{number}", 4.0) for number in range(10)]
    for number in range(10):
        log.wait_for(f"begin-x{number}")
    before = Worker.objects.get().pk
    Step.objects.filter(workflow_id=ids[0]).update(due_at=None)  # so that it stays out of the way
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
    for number, each in enumerate(ids):
        assert workflow.result(each, timeout=PATIENCE) == f"x{number}"
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}
    assert before


def test_starts_are_taken_while_all_places_are_taken(cluster, log: Log) -> None:
    cluster(workflows={"ASYNC_ACTIONS": 2, "ACTION_THREADS": 1}, q={"workers": 1})
    full = [ask("waits", log.path, f"x{number}", 3.0) for number in range(6)]
    full += [ask("act", log.path, f"y{number}", 3.0) for number in range(3)]
    for text in ("begin-x0", "begin-x1", "begin-y0"):
        log.wait_for(text)
    beside = asks.with_options(run_after=timedelta(0)).start("in_flight_beside", [], {"exclusive": False}, 0)
    for each in [*full, beside]:
        workflow.result(each, timeout=PATIENCE)
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}


def test_an_interrupted_step_gives_back_its_place_in_a_pool(cluster, log: Log) -> None:
    running = cluster(workflows={"SHUTDOWN_GRACE": 1})
    ids = [pooled_patiently.start(log.path, str(number), 300 if number < 2 else 0) for number in range(4)]
    wait_for(lambda: sum(text.startswith("begin-") for text in log.texts) == 2, message="not as many as may are")
    assert running.stop() == 0
    cluster()
    for number, each in enumerate(ids):
        assert workflow.result(each, timeout=PATIENCE) == str(number)


def test_connections_are_closed_when_nothing_is_in_flight(cluster, log: Log) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no sessions to count")
    cluster(q={"workers": 1})

    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    for each in [ask("waits", log.path, f"first{number}", 0.1) for number in range(3)]:
        workflow.result(each, timeout=PATIENCE)
    before = wait_for(sessions, message="nobody is there")
    ids = [ask("counts_effects", "none-", 0.5) for _ in range(50)]
    wait_for(lambda: sessions() > before, message="nobody asks the database")
    for each in ids:
        workflow.result(each, timeout=PATIENCE)
    wait_for(lambda: sessions() <= before, message="connections are kept")
