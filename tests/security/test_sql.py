"""SQL has values as parameters only: nothing that anybody wrote is a part of a statement's text."""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

import django_workflows
from django_workflows import Completed, WorkflowError
from django_workflows.engine.cleanup import cleanup_expired
from django_workflows.models import Step, Workflow
from tests.app import workflows as flows
from tests.audit import judged
from tests.engine.driver import become_another_process, finish, run
from tests.races.flows import told

workflow = flows.workflow
CANARY = "kanarienvogel'); DROP TABLE x; --"
PACKAGE = Path(django_workflows.__file__).parent
#: Statements of SQLite's and the driver's own, without any value.
ALLOWED = {"PRAGMA query_only = ON", "PRAGMA query_only = OFF", "PRAGMA data_version"}
#: The process that only looks whether a database can be used; none of its statements has a value of anybody's.
LOOKS = Path("q2/cluster/probe.py")


@pytest.fixture
def statements() -> Any:
    seen: list[str] = []

    def see(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield seen


def test_no_text_of_anybody_is_in_a_statement(statements: list[str]) -> None:
    options = {"idempotency_key": CANARY, "key": CANARY, "context": CANARY, "queue": CANARY}
    told.with_options(**options).start(["mutation"])
    told.with_options(**options).start(["mutation"])
    workflow_id = flows.echoes.start({CANARY: [CANARY]})
    assert finish(workflow_id) == Completed({CANARY: [CANARY]})
    waiting = told.start(["event"])
    run()
    workflow.send_event(waiting, CANARY, CANARY)
    event_id = workflow.create_event(waiting, CANARY)
    workflow.send_event(event_id=event_id, error=CANARY)
    with suppress(WorkflowError):
        workflow.send_event_by_token(CANARY * 2, CANARY)
    list(workflow.list(name=CANARY))
    with suppress(WorkflowError):
        workflow.list(state=CANARY)
    for act in (workflow.status, workflow.cancel, workflow.cleanup, workflow.retry_now):
        with suppress(WorkflowError):
            act(CANARY)
    with suppress(WorkflowError):
        workflow.restart(workflow_id, CANARY)
    finish(flows.fails.start(CANARY))
    Workflow.objects.filter(id=waiting).update(blocked_message=CANARY)
    Step.objects.filter(workflow=waiting).update(name=CANARY, progress="")
    become_another_process()
    workflow.retry_now(waiting)
    run()
    cleanup_expired()
    assert len(statements) > 40
    assert not [each for each in statements if "kanarienvogel" in each]


def test_sql_is_in_the_store_alone() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE)
        if where.parts[0] in ("store", "migrations") or where == LOOKS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = node.func.attr in ("execute", "executemany", "raw", "extra", "RawSQL")
                text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                if named and text not in ALLOWED:
                    found.append(f"{where}:{node.lineno}")
    assert found == []


def test_no_pickle_and_no_evaluation_of_text() -> None:
    """django-q2 has its own; this package has none."""
    bad = {"pickle", "marshal", "shelve", "eval", "exec", "compile", "__import__"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            found += [f"{path.relative_to(PACKAGE)}:{node.lineno} {name}" for name in names if name in bad]
    assert found == []


def test_every_import_by_name_is_one_that_code_asked_for() -> None:
    """``import_string`` and ``import_module`` stand where their argument is a setting, a seal, or code's own word."""
    # Of the last two: classes of the setting CONTEXT; the setting TASKS, and what tests/tasks/test_discovery.py says.
    known = {"__init__.py", "engine/callbacks.py", "engine/captured.py", "tasks/discovery.py"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("import_string", "import_module"):
                found.add(str(path.relative_to(PACKAGE)))
    assert known <= found
    assert {
        each for each in found - known if not each.startswith(("api/", "q2/", "management/", "checks/", "testing/"))
    } == set()


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}, {"name": "b", "skip_reason": "x"}], 1),
        ([{"name": "a", "version": "1", "vulns": []}], 0),
        ([{"name": "a", "skip_reason": "not found"}], 0),
    ],
)
def test_the_audit_fails_for_what_is_known_and_for_nothing_else(
    found: list[dict[str, Any]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(found) == code
    assert ("NOT AUDITED" in capsys.readouterr().err) is ("skip_reason" in found[0])
