"""What PostgreSQL does for each page: none of them reads a whole table of workflows or steps."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from benchmarks.pages import LONG, fill_journals, fill_steps, fill_workflows
from django_workflows.engine.health import check_health
from django_workflows.models import Workflow
from tests.admin.pages import LIST, page_of, url

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are those of PostgreSQL"),
    pytest.mark.by_hand,
]

TABLES = {"django_workflows_workflow", "django_workflows_step"}
ROW = LONG["in a row"]


@pytest.fixture
def crowd(engine: None) -> None:
    """Enough rows that reading all of them would be the worse plan; not vacuumed, as after a busy hour."""
    fill_workflows(50_000)
    fill_journals(5_000)


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed within, with their parameters."""
    found: list[tuple[str, Any]] = []

    def keep(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        yield found


def scanned(sql: str, params: Any) -> list[str]:
    """Which of our tables the plan of a statement reads from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()
    (root,) = plan if isinstance(plan, list) else json.loads(plan)
    return [node["Relation Name"] for node in nodes(root["Plan"]) if node["Node Type"].endswith("Seq Scan")]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan or "Plans" not in plan:
        yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


QUERIES = [
    {},
    {"p": "40"},
    {"started_by": "any"},
    {"started_by": "workflow"},
    *({"state": state} for state in ("in_progress", "completed", "failed", "canceled")),
    *({"attention": kind} for kind in ("blocked", "retrying", "failed", "callback")),
    {"name": "shop.workflows.refund"},
    {"name": "shop.workflows.long", "state": "in_progress"},
    {"name": "shop.workflows.none"},
    *({"started": age} for age in ("hour", "day", "week", "month")),
    {"state": "failed", "started": "week", "name": "shop.workflows.order"},
    {"q": "order-77"},
    {"q": "refund"},
    {"q": "no such thing"},
    {"q": str(ROW)},
    {"q": str(ROW)[:13]},
]


def test_no_page_reads_a_whole_table(crowd: None, chief: Client) -> None:
    asked: list[tuple[str, dict[str, str]]] = [(LIST, query) for query in QUERIES]
    for workflow_id in LONG.values():
        asked += [(page_of(workflow_id), {}), (url("live", workflow_id), {}), (url("timeline", workflow_id), {})]
    asked += [(page_of(ROW), {"p": "77"}), (page_of(LONG["side by side"]), {"group": "0", "p": "50"})]
    asked += [(url("dashboard"), {}), (url("patches"), {})]
    asked += [(f"/admin/django_workflows/{name}/", {}) for name in ("pool", "worker")]
    bad = []
    looked_at = 0
    for address, query in asked:
        with statements() as found:
            assert chief.get(address, query).status_code == 200, (address, query)
        ours = [each for each in found if each[0].startswith(("SELECT", "WITH")) and any(t in each[0] for t in TABLES)]
        looked_at += len(ours)
        for sql, params in ours:
            if TABLES & set(scanned(sql, params)):
                bad.append(f"{address} {query}\n{sql}\n{params}")
    assert not bad, "\n\n".join(bad)
    assert looked_at > 200


def test_the_health_check_reads_no_whole_table(engine: None) -> None:
    """Beside 200,000 workflows, of which thousands have just failed, and as many steps."""
    fill_workflows(200_000)
    fill_steps()
    late = Workflow.objects.filter(state="failed")
    assert late.count() == 2_000
    late.filter(name="shop.workflows.import").update(finished_at=Now())
    with statements() as found:
        health = check_health()
    assert health.failing is not None
    assert health.failing.names[0][0] == "shop.workflows.import"
    assert {problem.code for problem in health.problems} >= {"failing", "retrying"}
    ours = [each for each in found if each[0].startswith(("SELECT", "WITH"))]
    assert len(ours) > 8
    bad = [sql for sql, params in ours if TABLES & set(scanned(sql, params))]
    assert not bad, "\n\n".join(bad)
