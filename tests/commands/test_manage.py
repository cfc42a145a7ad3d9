"""``manage.py workflows`` as a process: exit codes, terminals, pipes, and a real cluster."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

from django.db import connection

from django_workflows.core.journal import WorkflowState
from tests.app import workflows as w
from tests.cluster import Cluster
from tests.engine.driver import run

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 300


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DJANGO_WORKFLOWS_TEST_DB_NAME": str(connection.settings_dict["NAME"]),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def begin(*arguments: object, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "workflows", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def manage(*arguments: object, **more: str) -> tuple[int, str, str]:
    process = begin(*arguments, **more)
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def on_terminal(*arguments: object, seen: Callable[[str], object] = lambda written: None) -> str:
    """What a process writes on a terminal; ``seen`` is called with all of it whenever there is more."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "workflows", *map(str, arguments)],
        cwd=ROOT,
        env=environment(TERM="xterm", COLUMNS="100"),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    with suppress(OSError):  # there is no writer left
        for piece in iter(lambda: os.read(ours, 4096), b""):
            written += piece
            seen(written.decode(errors="replace"))
    os.close(ours)
    process.wait(timeout=TIMEOUT)
    return written.decode()


def test_exit_codes_tell_done_failed_and_wrong_usage_apart() -> None:
    failed = w.fails.start()
    run()
    assert manage("show", failed)[0] == 0
    code, out, err = manage("watch", failed)
    assert (code, err[:36]) == (1, "CommandError: The workflow failed wi")
    assert "failed, 0 of 0 steps done" in out
    for arguments in [
        ("show", uuid4()),
        ("show",),
        ("list", "--state", "done"),
        ("start", "no.such.workflow"),
        ("start", "tests.app.workflows.sums", "--args", "{"),
        ("cleanup", "--older-than", "30"),
        ("no-such-verb",),
        (),
    ]:
        code, out, err = manage(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err
        assert "Traceback" not in err


def test_djangos_own_options_may_follow_the_verb() -> None:
    code, out, err = manage("list", "--settings", "tests.settings", "--no-color", "--traceback", "-v", "0")
    assert (code, out) == (0, "No workflows.\n"), err


def test_without_tables_it_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = manage(
        "list", DJANGO_WORKFLOWS_TEST_DB="sqlite", DJANGO_WORKFLOWS_TEST_DB_NAME=str(tmp_path / "empty.sqlite3")
    )
    assert code == 1
    assert "Has `manage.py migrate` been run?" in err


def test_a_terminal_gets_colours_and_a_pipe_does_not() -> None:
    workflow_id = w.sums.start([1])
    run()
    assert "\x1b[" in on_terminal("show", workflow_id)
    assert "\x1b[" not in on_terminal("show", workflow_id, "--no-color")
    assert "\x1b[" not in manage("show", workflow_id)[1]


def test_a_terminal_without_unicode_is_written_in_ascii() -> None:
    workflow_id = w.sums.start([1])
    run()
    code, out, _ = manage("show", workflow_id, PYTHONIOENCODING="ascii:strict", PYTHONUTF8="0", LC_ALL="C")
    assert code == 0
    assert "# ran" in out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    workflow_id = w.parallel.start(300)
    run()
    process = begin("show", workflow_id, "--all", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "{\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=TIMEOUT) == 0
    process.stderr.close()


def test_an_interrupted_watch_ends_with_130_and_the_workflow_goes_on() -> None:
    workflow_id = w.asks_approval.start()
    run()
    process = begin("watch", workflow_id)
    assert process.stdout is not None
    assert any("open: approval" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "the workflow goes on without you" in err
    assert w.workflow.status(workflow_id).type == WorkflowState.IN_PROGRESS


def test_a_workflow_is_started_and_waited_for_on_a_real_cluster(cluster: Callable[..., Cluster]) -> None:
    cluster()
    arguments = ("tests.app.workflows.retried", "--args", '{"name": "real", "attempts": 3}')
    code, out, err = manage("start", *arguments, "--wait", "--timeout", "60s")
    assert code == 0, err
    assert out.splitlines()[-1] == "Result: 3"
    workflow_id = UUID(out.splitlines()[0].rpartition(" ")[2])
    code, out, _ = manage("show", workflow_id, "--json")
    (step,) = json.loads(out)["steps"]
    assert [attempt["state"] for attempt in step["attempts"]] == ["failed", "failed", "completed"]
    code, _, err = manage("start", "tests.app.workflows.fails", "--wait", "--timeout", "60s")
    assert (code, "The workflow failed with RuntimeError: broken" in err) == (1, True)


def test_a_watch_on_a_terminal_follows_a_real_cluster(cluster: Callable[..., Cluster]) -> None:
    cluster()
    workflow_id = w.asks_approval.start()
    answered = []

    def answer(written: str) -> None:
        if "open: approval" in written and not answered:
            answered.append(w.workflow.send_event(workflow_id, w.approval, True))

    written = on_terminal("watch", workflow_id, seen=answer)
    assert answered
    assert "\r\x1b[K" in written
    assert written.rstrip().endswith('Result: "yes"')
