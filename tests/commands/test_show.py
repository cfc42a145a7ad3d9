"""``manage.py workflows show``: everything about one workflow, whatever is in its journal."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_workflows import current_step, report_progress
from django_workflows.models import Step, Workflow
from django_workflows.store import workers
from django_workflows.store.database import now
from tests.app import steps
from tests.app import workflows as w
from tests.commands.conftest import AsciiPipe, Manage, Screen, fail_once
from tests.engine.driver import advance, finish, run
from tests.promises import promise


def section(text: str, title: str) -> list[str]:
    """The lines below a title."""
    found = re.search(rf"^{title}\n((?:  .*\n?)+)", text, re.MULTILINE)
    assert found, text
    return found[1].splitlines()


def test_a_finished_workflow_is_shown_with_arguments_and_result(manage: Manage) -> None:
    workflow_id = w.sums.start([1, 2])
    run()
    text = manage("show", workflow_id)
    assert re.match(r"tests\.app\.workflows\.sums  completed after \d", text)
    assert f"id          {workflow_id}" in text
    assert 'arguments   {"numbers":[1,2]}' in text
    assert "result      3" in text
    assert "Waiting for" not in text
    assert [line.split()[:4] for line in section(text, "Steps")] == [
        ["0", "tests.app.steps.add", "action", "completed"],
        ["1", "tests.app.steps.add", "action", "completed"],
    ]


def test_a_retry_is_shown_attempt_by_attempt_and_drawn(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    finish(workflow_id)
    text = manage("show", workflow_id)
    step, *attempts = section(text, "Steps")
    assert step.endswith("3 attempts")
    assert re.fullmatch(r" +attempt 1 failed after \d+ ms: Unreachable: call 1; the next one \d+ ms later", attempts[0])
    assert re.fullmatch(r" +attempt 2 failed after \d+ ms: Unreachable: call 2; the next one \d+ ms later", attempts[1])
    assert re.fullmatch(r" +attempt 3 completed after \d+ ms", attempts[2])
    _, bar, legend = section(text, "Timeline")
    assert re.search(r"0 fail_until +\d+ ms +·*✗+╌+·*✗+╌+·*█+$", bar)
    assert legend.endswith("█ ran  ✗ failed  ╌ back-off")


@pytest.mark.by_hand
def test_an_output_without_these_characters_gets_ascii(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 2)
    finish(workflow_id)
    Step.objects.filter(workflow_id=workflow_id).update(name="Überweisung")
    text = manage("show", workflow_id, out=AsciiPipe())
    assert r"\xdcberweisung" in text
    _, bar, _ = section(text, "Timeline")
    assert re.search(r"\.*x+-+\.*#+$", bar)


def test_a_step_in_back_off_is_waited_for(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    fail_once(workflow_id)
    later = now() + timedelta(minutes=5)
    Step.objects.filter(workflow_id=workflow_id).update(due_at=later, queued_at=later)
    text = manage("show", workflow_id)
    (waiting,) = section(text, "Waiting for")
    assert re.match(
        r"  tests\.app\.steps\.fail_until \(step 0\), attempt 2 of 3, in (5 min|4 min 59 s), at 20", waiting
    )
    assert re.search(r"attempt 2 is due in (5 min|4 min 59 s)$", text, re.MULTILINE)
    assert re.search(r"✗+╌+$", text, re.MULTILINE)


def test_every_kind_of_wait_has_a_sentence(manage: Manage) -> None:
    workflow_id = w.steps_of_all_kinds.start()
    run()
    claimed = Step.objects.get(workflow_id=workflow_id, number=0)
    Step.objects.filter(pk=claimed.pk).update(state="running", finished_at=None, due_at=claimed.created_at)
    text = "\n".join(section(manage("show", workflow_id), "Waiting for"))
    assert "tests.app.steps.add (step 0), attempt 1, whose worker went silent" in text
    assert "event approval (step 1)" in text
    assert re.search(r"timer sleep \(step 2\), in (1 h|59 min \d+ s), at 20\d\d-", text)
    assert "timer cool down (step 3)" in text
    assert "child workflow tests.app.workflows.asks_approval (step 5)" in text
    assert re.search(r"tests\.app\.steps\.insert_effect \(step 6\), in (1 min|\d+\.\d s), at 20\d\d-", text)


def test_an_event_with_a_limit_says_until_when(manage: Manage) -> None:
    workflow_id = w.asks_approval.start(timeout=7200)
    run()
    (waiting,) = section(manage("show", workflow_id), "Waiting for")
    assert re.search(r"event approval \(step 0\), for no longer than 20\d\d-.* UTC, in (2 h|1 h 59 min)", waiting)


def test_a_running_step_shows_what_it_reported(manage: Manage) -> None:
    shown = []

    def look() -> None:
        report_progress(3, 10, "pages")
        shown.append(manage("show", current_step().workflow_id))

    steps.hooks.append(look)
    w.call.start("action", "act_then", {"key": "k"}, {"retry": "quick"})
    run()
    (text,) = shown
    assert section(text, "Waiting for") == [
        "  tests.app.steps.act_then (step 0), attempt 1 of 3, which is running",
    ]
    assert "progress: 3 of 10 pages" in text
    assert re.search(r"0 act_then +\d+ ms +·*▶+$", text, re.MULTILINE)


def test_without_workers_it_says_how_to_start_one(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    waiting = section(manage("show", workflow_id), "Waiting for")
    assert [line.strip() for line in waiting] == [
        "a worker for its next turn",
        "No worker has ever reported: start one with `manage.py workflows cluster`.",
    ]


def test_a_worker_that_went_silent_is_missed_and_one_that_lives_is_not(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    workers.beat("host:1", "host", 1, "worker", "", "")
    assert "No worker" not in manage("show", workflow_id)
    advance(timedelta(minutes=3))
    assert "No worker has reported for 3 min" in manage("show", workflow_id)


def test_a_blocked_workflow_says_by_what_and_since_when(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    message = "step 1: the journal recorded x, the code asks for y"
    Workflow.objects.filter(id=workflow_id).update(
        blocked_reason="code_mismatch", blocked_message=message, blocked_at=now() - timedelta(minutes=4)
    )
    shown = manage("show", workflow_id)
    assert f"  blocked (code mismatch) for 4 min: {message}" in shown
    assert ", blocked (code mismatch) for 4 min\n" in shown.partition("id ")[0]
    assert manage.json("show", workflow_id)["blocked"]["reason"] == "code_mismatch"
    assert "checked" not in shown
    Workflow.objects.filter(id=workflow_id).update(blocked_checked_at=now() - timedelta(seconds=90))
    assert f"{message} (checked 1 min 30 s ago, still does not match)" in manage("show", workflow_id)


def test_a_workflow_that_begins_later_says_when(manage: Manage) -> None:
    workflow_id = w.sums.with_options(run_after=3600).start([1])
    (waiting,) = section(manage("show", workflow_id), "Waiting for")
    assert re.search(r"its start in (59 min|1 h)", waiting)


def test_a_failed_workflow_shows_its_error_and_with_all_the_traceback(manage: Manage) -> None:
    workflow_id = w.fails.start("broken")
    run()
    text = manage("show", workflow_id)
    assert "error       RuntimeError: broken" in text
    assert "Traceback" not in text
    assert "Traceback (most recent call last):" in manage("show", workflow_id, "--all")


def test_a_child_is_shown_with_its_id_and_its_steps(manage: Manage) -> None:
    workflow_id = w.parent.start([1, 2])
    run()
    child = Workflow.objects.get(parent=workflow_id, parent_step=0)
    text = manage("show", workflow_id)
    assert f"workflow {child.id}" in text
    assert [line.split()[0] for line in section(text, "Steps") if "tests." in line] == ["0", "0.0", "1", "1.0"]
    assert f"parent      {workflow_id}, step 0" in manage("show", child.id)


@pytest.mark.by_hand
def test_many_siblings_share_a_line(manage: Manage) -> None:
    workflow_id = w.parallel.start(30)
    run()
    Step.objects.filter(workflow_id=workflow_id, number__in=[3, 4]).update(
        state="failed", error=json.dumps({"type": "shop.CardDeclined", "message": "no money"})
    )
    text = manage("show", workflow_id)
    first, *errors = section(text, "Steps")
    assert re.search(r"^  0  tests\.app\.steps\.add x 30  action  28 ok, 2 failed +\d[\w., ]*$", first)
    assert [line.strip() for line in errors] == [
        "step 3 failed, 1 failed attempt: CardDeclined: no money",
        "step 4 failed, 1 failed attempt: CardDeclined: no money",
    ]
    assert "0 add x 30" in section(text, "Timeline")[1]
    assert len([line for line in section(manage("show", workflow_id, "--all"), "Steps") if "steps.add " in line]) == 30


def test_all_shows_whole_payloads_of_steps(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    text = manage("show", workflow_id, "--all")
    assert 'arguments: {"a":0,"b":1}' in text
    assert "result: 1" in text


def test_a_long_wait_is_a_narrow_gap_with_its_length_above(manage: Manage) -> None:
    workflow_id = w.waits_after_its_child.start()
    finish(workflow_id)
    axis, child, action, sleep, legend = section(manage("show", workflow_id), "Timeline")
    assert re.fullmatch(r" +0 +<1 min>", axis)
    assert re.search(r"█ *┊+$", child)
    assert re.search(r"0 add +\d+ ms +█+ *┊+", action)
    assert re.search(r"~+$", sleep)
    assert legend.endswith("┊ idle for <so long>")


def test_a_workflow_that_was_asked_to_cancel_says_so(manage: Manage) -> None:
    workflow_id = w.cleans_up.start("k")
    run()
    w.workflow.cancel(workflow_id)
    assert re.search(r"cleans_up  in progress, asked to cancel \d+ ms ago for \d+ ms", manage("show", workflow_id))
    run()
    assert "cleans_up  canceled after" in manage("show", workflow_id)
    assert "0  long wait" in manage("show", workflow_id)


def test_a_failed_child_is_shown_with_its_error(manage: Manage) -> None:
    workflow_id = w.careful_parent.start(-1)
    run()
    assert "failed: ValueError: negative" in manage("show", workflow_id)


def test_a_lost_attempt_is_told_from_a_failed_one(manage: Manage) -> None:
    workflow_id = w.mutations.start("k", 1)
    run()
    Step.objects.filter(workflow_id=workflow_id, number=0).update(attempt=2)
    text = manage("show", workflow_id)
    assert "attempt 1 was lost with its worker: no error is known" in text
    assert re.search(r"attempt 2 completed after \d+ ms", text)


def test_a_retry_that_was_canceled_never_began(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    fail_once(workflow_id)
    w.workflow.cancel(workflow_id)
    assert "attempt 2 canceled before it began" in manage("show", workflow_id)


def test_of_many_failed_siblings_a_few_are_named(manage: Manage) -> None:
    workflow_id = w.fan_out_and_retry.start("k", 20)
    finish(workflow_id)
    group, *errors = section(manage("show", workflow_id), "Steps")
    assert group.rstrip().endswith("40 attempts")
    assert errors[0].strip() == "step 0 completed, 1 failed attempt: Unreachable: call 1"
    assert errors[3].strip() == "and 17 more steps with failed attempts; --all shows them"


def test_key_and_failed_callback_are_shown(manage: Manage) -> None:
    workflow_id = w.nothing.with_options(idempotency_key="order 17", queue="slow").start()
    Workflow.objects.filter(id=workflow_id).update(on_complete_error='{"type": "a.B", "message": "oh"}')
    text = manage("show", workflow_id)
    assert "key         order 17" in text
    assert "queue       slow" in text
    assert "on_complete B: oh" in text
    assert "No worker of queue 'slow' has ever reported" in text


def test_many_different_waits_are_cut(manage: Manage) -> None:
    workflow_id = w.race.start([1000.0 + n for n in range(30)])
    run()
    waiting = section(manage("show", workflow_id), "Waiting for")
    assert len(waiting) == 21
    assert waiting[-1].strip() == "and 10 more"


# -- hostile data


HOSTILE = "a\x1b[31m\x07\nb\u202ec\x9b"


def test_control_characters_never_reach_the_terminal(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    finish(workflow_id)
    failure = {"type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE}
    Step.objects.filter(workflow_id=workflow_id).update(
        name=HOSTILE, failures=json.dumps([failure] * 2), progress=json.dumps([1, 2, HOSTILE]), args=HOSTILE
    )
    Workflow.objects.filter(id=workflow_id).update(
        name=HOSTILE, args=HOSTILE, result=HOSTILE, error=json.dumps(failure), queue=HOSTILE, idempotency_key=HOSTILE
    )
    for arguments in [(), ("--all",)]:
        text = manage("show", workflow_id, *arguments)
        assert r"a\x1b[31m\x07\nb\u202ec\x9b" in text
        assert all(line.isprintable() for line in text.splitlines())
    assert manage.json("show", workflow_id)["steps"][0]["name"] == HOSTILE
    assert manage("show", workflow_id, "--json").isascii()


@pytest.mark.by_hand
def test_huge_payloads_and_errors_are_cut(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    finish(workflow_id)
    Workflow.objects.filter(id=workflow_id).update(args="x" * 1_000_000, result="\x01" * 1000)
    failures = json.dumps([{"type": "E", "message": "m" * 100_000}])
    Step.objects.filter(workflow_id=workflow_id).update(name="n" * 500, attempt=2, failures=failures)
    text = manage("show", workflow_id)
    assert len(text) < 5000
    assert "(1,000,000 characters; --all shows them)" in text
    assert "x" * 1_000_000 in manage("show", workflow_id, "--all")


@pytest.mark.parametrize("column", ["failures", "error", "options", "progress"])
@pytest.mark.parametrize("value", ["{", "[]", '{"a": 1}', "[null]"])
@pytest.mark.by_hand
def test_a_damaged_journal_is_shown_as_far_as_it_can_be_read(manage: Manage, column: str, value: str) -> None:
    workflow_id = w.sums.start([1])
    run()
    Step.objects.filter(workflow_id=workflow_id).update(**{column: value})
    Workflow.objects.filter(id=workflow_id).update(args="{", result="NaN", error=value)
    assert "tests.app.steps.add" in manage("show", workflow_id)
    document = manage.json("show", workflow_id, "--all")
    assert (document["args"], document["result"]) == ("{", "NaN")


# -- size


@pytest.mark.by_hand
def test_ten_thousand_steps_are_shown_at_once_and_in_few_queries(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    many(workflow_id, 10_000, lambda number: "tests.app.steps.add")
    with promise(10), CaptureQueriesContext(connection) as queries:
        text = manage("show", workflow_id)
    assert len(queries) < 12
    assert "tests.app.steps.add x 10,000" in text
    assert len(text.splitlines()) < 20


@pytest.mark.by_hand
def test_of_many_different_steps_the_first_and_the_last_are_shown(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    many(workflow_id, 1000, lambda number: f"step.number{number}")
    text = manage("show", workflow_id)
    for title in ("Steps", "Timeline"):
        lines = section(text, title)
        assert any("number49 " in line for line in lines)
        assert any("... 900 lines left out; --all shows them" in line for line in lines)
        assert not any("number50 " in line for line in lines)
        assert any("number950 " in line for line in lines)
    assert "number500 " in manage("show", workflow_id, "--all")


def many(workflow_id: object, count: int, name: object) -> None:
    """As many steps as ``count``, copies of the first."""
    step = Step.objects.get(workflow_id=workflow_id, number=0)
    Step.objects.filter(pk=step.pk).update(name=name(0))  # type: ignore[operator]
    copies = []
    for number in range(1, count):
        copy = (
            Step.objects.get(pk=step.pk)
            if number == 1
            else Step(**{f.attname: getattr(step, f.attname) for f in Step._meta.fields})
        )
        copy.pk, copy.number, copy.name = None, number, name(number)  # type: ignore[operator]
        copies.append(copy)
    Step.objects.bulk_create(copies, batch_size=500)


# -- JSON, colours, errors


def test_json_has_steps_with_attempts_and_what_is_waited_for(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    fail_once(workflow_id)
    document = manage.json("show", workflow_id)
    assert document["id"] == str(workflow_id)
    assert document["state"] == "in_progress"
    assert document["args"] == {"name": "r", "attempts": 3}
    (step,) = document["steps"]
    assert [attempt["state"] for attempt in step["attempts"]] == ["failed", "queued"]
    assert step["attempts"][0]["error"] == {"type": "tests.app.steps.Unreachable", "message": "call 1"}
    assert step["max_attempts"] == 3
    assert "args" not in step
    assert document["waiting_for"][0]["attempt"] == 2
    (step,) = manage.json("show", workflow_id, "--all")["steps"]
    assert step["args"] == {"name": "r", "attempts": 3}
    assert step["function"] == "tests.app.steps.fail_until"
    assert "Traceback" in step["attempts"][0]["error"]["traceback"]


def test_json_names_children(manage: Manage) -> None:
    workflow_id = w.parent.start([1])
    run()
    child = Workflow.objects.get(parent=workflow_id)
    assert manage.json("show", workflow_id)["steps"][0]["child"] == str(child.id)


def test_colours_are_for_terminals(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    assert "\x1b[" not in manage("show", workflow_id)
    assert "\x1b[" in manage("show", workflow_id, "--force-color")
    assert "\x1b[" not in manage("show", workflow_id, "--no-color", out=Screen())


def test_an_unknown_id_is_an_error(manage: Manage) -> None:
    unknown = uuid4()
    assert manage.error("show", unknown, returncode=2).startswith(f"there is no workflow {unknown}")
    assert manage.error("show", "x\x1b", returncode=2) == r"'x\x1b' is not the id of a workflow"


def test_a_workflow_that_continued_as_new_begins_its_timeline_with_that(manage: Manage) -> None:
    workflow_id = w.counts_for_ever.start(0, 3)
    run()
    text = manage("show", workflow_id)
    assert "continued   as new, 2 times" in text
    assert "restarted" not in text


def test_a_restarted_workflow_says_so(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    w.workflow.restart(workflow_id)
    assert "restarted   1 time\n" in manage("show", workflow_id)


def test_showing_changes_nothing(manage: Manage) -> None:
    workflow_id = w.retried.start("r", 3)
    fail_once(workflow_id)
    before = (list(Workflow.objects.values()), list(Step.objects.values()))
    manage("show", workflow_id, "--all")
    assert (list(Workflow.objects.values()), list(Step.objects.values())) == before


def test_what_was_forgotten_is_shown(manage: Manage) -> None:
    workflow_id = w.ends_before_its_child.start(False)
    w.workflow.send_event(workflow_id, "payment", 1)
    w.workflow.send_event(workflow_id, "payment", 2)
    finish(workflow_id)
    text = manage("show", workflow_id)
    assert "never awaited 0 tests.app.workflows.waits_for_ever" in text
    assert "never taken events: payment (2)" in text
    document = json.loads(manage("show", workflow_id, "--json"))
    assert document["untaken_events"] == {"payment": 2}
    assert document["never_awaited"] == [{"number": 0, "name": "tests.app.workflows.waits_for_ever"}]


def test_what_was_captured_is_shown_without_its_secrets(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    kept = {"shop.Tenant": {"name": "acme", "password": "hunter2"}}
    Workflow.objects.filter(id=workflow_id).update(captured=json.dumps(kept))
    shown = manage("show", workflow_id)
    assert "captured    " in shown
    assert "acme" in shown
    document = manage.json("show", workflow_id)["captured"]["shop.Tenant"]
    assert document["name"] == "acme"
    assert "hunter2" not in f"{shown} {document}"
