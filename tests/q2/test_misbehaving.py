"""Workflow functions that never wait, and steps that raise what no Exception is: neither costs a worker."""

from datetime import timedelta
from uuid import UUID

from django_workflows.models import Step, Worker, Workflow
from tests.app.cluster_workflows import chain, never_waits, workflow
from tests.app.cluster_workflows import one as one_step
from tests.cluster import HARDENED
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

TWO_WORKERS = {"workers": 2, "timeout": 20, "retry": 60}
RAISED = {
    "own": ("tests.app.cluster_steps.Own", "mine is own"),
    "locked": ("tests.app.cluster_steps.Locked", "mine is locked"),
    "hostile": ("tests.app.cluster_steps.Hostile", ""),
    "exit": ("builtins.SystemExit", "mine is exit"),
    "interrupt": ("builtins.KeyboardInterrupt", "mine is interrupt"),
}


def looks(workflow_id: UUID, seen: dict[UUID, list[timedelta]]) -> int:
    """How often a worker was seen to find it blocked; notes how long it was then put off."""
    row = Workflow.objects.get(pk=workflow_id)
    status, noted = workflow.status(workflow_id), seen[workflow_id]
    if status.blocked is not None and row.due_at is not None and not row.claimed_by:
        away = row.due_at - row.blocked_checked_at
        if away not in noted:
            noted.append(away)
    return len(noted)


def test_functions_that_never_wait_hold_up_nobody(cluster, log: Log) -> None:
    running = cluster(command=HARDENED, q=TWO_WORKERS, workflows={"LEASE": 300, "TURN_TIMEOUT": 0.5})
    workers = running.workers()
    busy = [never_waits.start(log.path, str(number)) for number in range(3)]
    for number in range(3):
        log.wait_for(f"busy-{number}")  # else the others could be done before it came to any of these
    healthy = [chain.start(log.path, 3) for _ in range(5)]
    for each in healthy:
        assert workflow.result(each, timeout=PATIENCE) == 3
    put_off: dict[UUID, list[timedelta]] = {each: [] for each in busy}
    for each in busy:
        blocked = wait_for(lambda each=each: workflow.status(each).blocked, message="it is not blocked")
        assert blocked.reason == "stuck"
        assert "used 0.5 s of CPU time without waiting for anything" in blocked.message
        assert "TURN_TIMEOUT" in blocked.message

    def looked_at_again() -> bool:
        return min([looks(each, put_off) for each in busy]) >= 2

    wait_for(looked_at_again, message=f"they are not retried: {put_off}")
    for gaps in put_off.values():
        assert gaps == sorted(gaps)
        assert timedelta(seconds=4) < gaps[0] < gaps[1]
    assert workflow.result(chain.start(log.path, 3), timeout=PATIENCE) == 3, "while they are blocked"
    for each in busy:
        workflow.cancel(each)
        wait_for(lambda each=each: workflow.status(each).type == "canceled", message="it is not canceled")
        assert "stuck" in workflow.status(each).note
    assert running.workers() == workers, "nobody was killed"
    assert running.stop() == 0


def test_what_a_step_raises_is_its_failure_and_its_worker_lives(cluster, log: Log) -> None:
    running = cluster(command=HARDENED, workflows={"LEASE": 300})
    workers = running.workers()
    listed = wait_for(lambda: set(Worker.objects.values_list("pid", flat=True)), message="no worker is listed")
    ids = {
        (kind, error): one_step.start(kind, "throw", [log.path, error])
        for kind in ("action", "query", "mutation")
        for error in RAISED
    }
    healthy = chain.start(log.path, 3)
    for (kind, error), each in ids.items():
        raised, _, message = workflow.result(each, timeout=PATIENCE).partition("|")
        assert (kind, raised) == (kind, RAISED[error][0])
        assert RAISED[error][1] in message
        assert Step.objects.get(workflow_id=each).attempt == 1
    assert workflow.result(healthy, timeout=PATIENCE) == 3
    assert sorted(log.texts.count(f"throw-{error}") for error in RAISED) == [3] * len(RAISED), "each of them once"
    assert running.workers() == workers, "nobody had to be replaced"
    assert listed <= set(Worker.objects.values_list("pid", flat=True))
    assert {note.pid for note in log.notes} <= set(workers)
    assert running.stop() == 0
