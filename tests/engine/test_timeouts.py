"""A step's ``timeout``: for whatever runs too long, in any thread, beside django-q2's own alarm."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from django_q.timeout import TimeoutHandler

from django_workflows import Completed, Failed, InProgress
from django_workflows.engine import dispatch
from django_workflows.engine.deadlines import DeadlineReached, deadline
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run
from tests.promises import promise

workflow = flows.workflow
TYPE = "django_workflows.exceptions.StepTimeout"


def start(function, kind="action", seconds=30, **options):
    return flows.call.start(kind, function, {"seconds": seconds}, options)


def error_of(workflow_id):
    return json.loads(workflow.steps(workflow_id).get().error)


@pytest.fixture(autouse=True)
def alarm():
    """The process's alarm belongs to the test, not to pytest-timeout; none must be left behind."""
    handler, (left, _) = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    yield
    after = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, left)
    assert after == ((0.0, 0.0), signal.SIG_DFL)


@pytest.mark.parametrize("function", ["nap", "nap_async", "spin", "swallow_all"])
def test_it_ends_an_attempt_that_takes_too_long(function):
    with promise(5):
        workflow_id = start(function, timeout=0.1)
        status = finish(workflow_id)
    assert status == Failed("the attempt took longer than its timeout of 0.1 s")
    assert error_of(workflow_id)["type"] == TYPE
    assert "builtins.TimeoutError" in error_of(workflow_id)["bases"]


@pytest.mark.parametrize(("function", "seconds"), [("nap", 0.4), ("nap_async", 30), ("spin", 30)])
def test_in_another_thread_it_ends_it_too(function, seconds, elsewhere):
    """There a blocking call is not interrupted, so it is only noticed when it returns."""
    workflow_id = start(function, seconds=seconds, timeout=0.1)
    elsewhere(run)
    assert error_of(workflow_id)["type"] == TYPE


@pytest.mark.parametrize("function", ["nap", "nap_async", "spin"])
def test_it_lets_a_quick_attempt_be(function):
    assert finish(start(function, seconds=0.01, timeout=20)).type == "completed"


def test_it_is_an_attempt_that_may_be_tried_again():
    workflow_id = start("nap", timeout=0.05, retry="quick")
    assert finish(workflow_id).type == "failed"
    step = workflow.steps(workflow_id).get()
    assert step.attempt == 3
    assert [failure["type"] for failure in json.loads(step.failures)] == [TYPE, TYPE]


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("function", ["insert_and_nap", "insert_and_nap_async"])
def test_a_mutation_that_takes_too_long_leaves_nothing(function, inline):
    workflow_id = start(function, kind="mutation", timeout=0.1, inline=inline)
    assert finish(workflow_id).type == "failed"
    assert error_of(workflow_id)["type"] == TYPE
    assert not Effect.objects.exists()


def test_a_query_that_takes_too_long_leaves_the_connection_usable():
    workflow_id = start("nap", kind="query", timeout=0.1)
    assert error_of(workflow_id)["type"] == TYPE if finish(workflow_id).type == "failed" else False
    Effect.objects.create(key="k")


@pytest.mark.parametrize("function", ["own_timeout_error", "own_timeout_error_async"])
def test_a_timeout_error_of_the_steps_own_is_not_taken_for_it(function):
    workflow_id = flows.call.start("action", function, {}, {"timeout": 20})
    assert finish(workflow_id) == Failed("the far side did not answer")
    assert error_of(workflow_id)["type"] == "builtins.TimeoutError"


def test_deadlines_nest_and_the_earlier_one_wins():
    with pytest.raises(DeadlineReached, match="0.05"), deadline(0.05), deadline(30):
        time.sleep(30)
    with deadline(30), pytest.raises(DeadlineReached, match="0.05"), deadline(0.05):
        time.sleep(30)


def test_an_outer_deadline_goes_on_counting_during_an_inner_one():
    with pytest.raises(DeadlineReached, match="0.2"), deadline(0.2):
        for _ in range(100):
            with deadline(30):
                time.sleep(0.02)


# -- django-q2's alarm


@contextmanager
def alarm_during(seconds=0.15):
    """django-q2's own handler; its alarm only knows whole seconds, so it is set anew."""
    with TimeoutHandler(60):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield


def test_an_outer_deadline_in_parts_goes_on_counting_during_inner_ones():
    with promise(5), pytest.raises(DeadlineReached, match="0.3"), deadline(0.3, parts=10):
        while True:
            with deadline(60):
                time.sleep(0.02)


class Finalized:
    """Takes a while to go."""

    def __init__(self, seconds=0.3):
        self.seconds = seconds

    def __del__(self):
        steps.spin(self.seconds)


def test_one_that_falls_due_while_something_is_finalized_comes_after_that():
    """Python ignores what is raised in there, as in the callback of a weak set."""
    with promise(2), pytest.raises(DeadlineReached), deadline(0.1):
        Finalized()
        steps.spin(5)


def test_in_another_thread_too(elsewhere):
    def work():
        with promise(2), pytest.raises(DeadlineReached), deadline(0.1):
            Finalized()
            steps.spin(5)

    elsewhere(work)


def test_what_hangs_while_it_is_finalized_is_ended_like_all_the_rest(monkeypatch):
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", lambda event: ignored.append(event.exc_type))
    with promise(8), pytest.raises(DeadlineReached), deadline(0.1):
        Finalized(30)
        steps.spin(30)
    assert ignored == [DeadlineReached]


#: Says when it begins, works until it has seen itself stand still and for a moment after that, and says how that ended.
FROZEN = """
import sys, threading, time
from django_workflows.engine.deadlines import DeadlineReached, deadline
parts, thread, limit, moment = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
def work():
    ended = "in time"
    try:
        with deadline(limit, parts=parts):
            before = time.monotonic()
            print("begun", flush=True)
            while (now := time.monotonic()) - before < limit / 2:
                before = now
            go_on()
    except DeadlineReached:
        ended = "late"
    print(ended)
def go_on():  # a frame of its own: in the one that catches it, CPython 3.13.0 loses what is raised in so small a loop
    began = time.process_time()
    while time.process_time() - began < moment:
        pass
if thread == "main":
    work()
else:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("thread", ["main", "other"])
@pytest.mark.parametrize(("parts", "ended", "limit", "moment"), [(10, "in time", 4, 0.05), (1, "late", 2, 60)])
def test_a_process_that_stood_still_has_not_used_up_its_time(parts, ended, limit, moment, thread):
    command = [sys.executable, "-c", FROZEN, str(parts), thread, str(limit), str(moment)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(limit + 0.5)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == f"{ended}\n"


def test_its_interrupts_are_known():
    from django_q.exceptions import TimeoutException

    assert dispatch.interrupts() == (TimeoutException,)


@pytest.mark.parametrize("function", ["nap", "nap_async", "spin", "swallow_all"])
@pytest.mark.parametrize("timeout", [None, 20])
def test_django_q2s_alarm_in_a_step_is_recorded_and_passed_on(function, timeout):
    workflow_id = start(function, timeout=timeout)
    interrupted = dispatch.interrupts()
    with pytest.raises(interrupted), alarm_during():
        run()
    assert error_of(workflow_id)["type"] == "django_q.exceptions.TimeoutException"
    assert workflow.steps(workflow_id).get().state == "failed"
    assert finish(workflow_id).type == "failed"


def test_django_q2s_alarm_in_a_step_with_retry_is_a_failed_attempt():
    workflow_id = start("nap_at_first", retry="quick")
    with pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert workflow.status(workflow_id) == InProgress(["tests.app.steps.nap_at_first"])
    assert finish(workflow_id) == Completed("slept")
    failures = json.loads(workflow.steps(workflow_id).get().failures)
    assert [failure["type"] for failure in failures] == ["django_q.exceptions.TimeoutException"]


def test_django_q2s_alarm_in_a_mutation_leaves_none_of_its_writes():
    workflow_id = start("insert_and_nap", kind="mutation")
    with pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert not Effect.objects.exists()
    assert error_of(workflow_id)["type"] == "django_q.exceptions.TimeoutException"
    assert finish(workflow_id).type == "failed"


def test_a_steps_timeout_keeps_django_q2s_alarm():
    workflow_id = start("nap", timeout=0.1)
    with alarm_during(20):
        run()
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 15 < left < 20
        assert signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    assert error_of(workflow_id)["type"] == TYPE


def test_django_q2s_alarm_is_due_first_and_fires_first():
    workflow_id = start("nap", timeout=10)
    with promise(5), pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert error_of(workflow_id)["type"] == "django_q.exceptions.TimeoutException"


def test_django_q2s_alarm_in_a_handler_is_passed_on_and_not_taken_for_its_failure():
    workflow_id = flows.naps_in_its_turn.start()
    with pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert workflow.status(workflow_id) == InProgress([]), "nothing of that turn is stored"
    steps.calls.append("awake")
    assert finish(workflow_id) == Completed("slept")


def test_django_q2s_alarm_in_a_handler_after_a_step_leaves_the_step_to_its_lease():
    workflow_id = flows.naps_in_its_turn.start(after_a_mutation=True)
    with pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert workflow.status(workflow_id) == InProgress(["tests.app.steps.insert_effect"])
    assert not Effect.objects.exists()
    steps.calls.append("awake")
    assert finish(workflow_id) == Completed("slept")
    assert Effect.objects.count() == 1


def test_django_q2s_alarm_in_an_inline_step_undoes_the_turn_and_is_passed_on():
    workflow_id = start("insert_and_nap_unless_awake", kind="mutation", inline=True)
    with pytest.raises(dispatch.interrupts()), alarm_during():
        run()
    assert not Effect.objects.exists()
    assert workflow.status(workflow_id) == InProgress([])
    steps.calls.append("awake")
    assert finish(workflow_id) == Completed("slept")
    assert Effect.objects.count() == 1


# -- what a step function raises that is no Exception


@pytest.mark.parametrize(
    "kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "RecursionError", "MemoryError"]
)
@pytest.mark.parametrize("function", ["raise_out", "raise_out_async"])
@pytest.mark.parametrize("step_kind", ["action", "mutation", "query"])
def test_what_a_step_raises_is_its_failure_whatever_it_is(kind, function, step_kind):
    workflow_id = flows.call.start(step_kind, function, {"kind": kind}, {})
    assert finish(workflow_id).type == "failed"
    assert error_of(workflow_id)["type"].rpartition(".")[2] == kind


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"])
def test_in_an_inline_step_too(kind):
    workflow_id = flows.call.start("mutation", "raise_out", {"kind": kind}, {"inline": True})
    assert finish(workflow_id).type == "failed"
    assert error_of(workflow_id)["type"].rpartition(".")[2] == kind


def test_it_is_tried_again_as_any_other_failure():
    workflow_id = flows.call.start("action", "raise_out", {"kind": "SystemExit"}, {"retry": "quick"})
    finish(workflow_id)
    assert workflow.steps(workflow_id).get().attempt == 3


def test_an_exception_whose_text_cannot_be_read_is_a_failure():
    status = finish(flows.call.start("action", "raise_unreadable", {}, {}))
    assert status == Failed("Unreadable (its text cannot be read)")


def test_an_exception_with_strange_text_is_kept_without_harm():
    workflow_id = flows.call.start("action", "raise_strange_text", {}, {})
    status = finish(workflow_id)
    assert status.error.startswith("nul ")
    assert len(status.error) <= 10_000
    assert "\x00" not in status.error
    assert steps.calls == []
