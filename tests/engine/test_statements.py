"""Each change is written in the same way by PostgreSQL's single statements and by the SQL of every database."""

import pytest

from django_workflows.models import Step, Workflow
from django_workflows.store import prepared
from tests.engine.driver import finish, reset_clock
from tests.engine.scenarios import SCENARIOS, check_end, start_over

pytestmark = pytest.mark.postgres
#: What two runs of one workflow cannot have in common (sizes depend on ids), and what counts only by being there.
DIFFERENT = {"id", "workflow_id", "parent_id", "version", "journal_bytes"}
THERE = {"claimed_by", "trace", "on_complete_seal", "result", "error", "failures"}


def rows(model):
    """The rows in order, without ids, and with the presence of times and texts in their place."""
    return [
        {
            name: bool(value) if name in THERE or name.endswith("_at") else value
            for name, value in row.items()
            if name not in DIFFERENT
        }
        for row in model.objects.order_by("workflow_id" if model is Step else "id", "id").values()
    ]


@pytest.fixture
def statement_by_statement(monkeypatch):
    monkeypatch.setattr(prepared, "one_statement", False)


@pytest.mark.parametrize(("start", "result", "effects"), SCENARIOS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_scenario_ends_alike_statement_by_statement(statement_by_statement, start, result, effects):
    finish(start())
    check_end(start, result, effects, "statement by statement")


@pytest.mark.parametrize(("start", "result", "effects"), SCENARIOS, ids=lambda value: getattr(value, "__name__", ""))
def test_both_ways_leave_the_same_rows(monkeypatch, start, result, effects):
    found = []
    for one_statement in (True, False):
        start_over()
        reset_clock()
        monkeypatch.setattr(prepared, "one_statement", one_statement)
        finish(start())
        found.append((rows(Workflow), rows(Step)))
    assert found[0] == found[1]
