"""Plans of prepared statements do not outlive for long the size of the tables that they were made for."""

from collections.abc import Iterator

import pytest
from django.db import connection

from django_workflows.engine import drain as drain_module
from django_workflows.store import workflows as workflow_store
from django_workflows.store.prepared import replan
from tests.app import workflows as flows
from tests.engine.driver import run

pytestmark = pytest.mark.postgres

#: Runs after which PostgreSQL has settled for one plan, and rows that make it a bad one.
SETTLED, CROWD = 10, 3000
TABLE = "django_workflows_workflow"


def ask(sql: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def plan_of_the_claim() -> str:
    """How PostgreSQL runs the prepared claim of this connection."""
    claims = f"statement LIKE 'UPDATE {TABLE} SET due_at%' AND generic_plans > 0"
    ((name,),) = ask(f"SELECT name FROM pg_prepared_statements WHERE {claims}")
    return "\n".join(row[0] for row in ask(f"EXPLAIN EXECUTE \"{name}\" ('worker', '', 0)"))


@pytest.fixture
def outgrown() -> Iterator[None]:
    """The claim was planned while its table was empty; now thousands of workflows sleep there."""
    connection.close()  # with all that it has prepared
    # Else PostgreSQL might analyze the table in the midst of it, and plan anew by itself.
    ask(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = false)")
    ask(f"VACUUM ANALYZE {TABLE}")
    for _ in range(SETTLED):
        assert workflow_store.claim_turn("", "worker") is None
    flows.sums.with_options(run_after=3600).start_many([([1],)] * CROWD)
    yield
    ask(f"ALTER TABLE {TABLE} RESET (autovacuum_enabled)")


def test_a_plan_is_kept_until_it_is_made_anew(outgrown: None) -> None:
    assert "Seq Scan" in plan_of_the_claim()
    replan(3600)
    assert "Seq Scan" in plan_of_the_claim(), "made a moment ago"
    replan(0)
    assert "Seq Scan" not in plan_of_the_claim()
    assert "dwf_workflow_due" in plan_of_the_claim()


def test_a_drain_that_goes_on_has_its_plans_made_anew(outgrown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_module, "_PLANS", 0.0)
    flows.sums.start([1])
    assert run()
    assert "dwf_workflow_due" in plan_of_the_claim()


def test_nothing_is_asked_where_nothing_is_prepared(outgrown: None) -> None:
    seen: list[str] = []

    def watch(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        replan(0)
    assert not seen
    assert "Seq Scan" in plan_of_the_claim()
