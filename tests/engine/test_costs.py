"""What a workflow costs: commits, and replays."""

from contextlib import contextmanager

import pytest
from django.db import connection

from django_workflows import Completed
from django_workflows.core.replay import Replay
from tests.app import workflows as flows
from tests.conftest import VENDOR
from tests.engine.driver import run

workflow = flows.workflow
#: On SQLite the two claims that find nothing at the end of a drain cannot be told from those that do.
EMPTY_CLAIMS = 0 if VENDOR == "postgres" else 3


class Costs:
    """The transactions of one connection: those that wrote, and those that did not."""

    def __init__(self):
        self.written = self.empty = self.replays = 0
        self.writes = False

    def statement(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        # An UPDATE that finds nothing writes nothing: the claim that ends a drain. SQLite cannot always tell.
        if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH turn")) and context["cursor"].rowcount:
            self.writes = True
        if not connection.in_atomic_block:
            self.end_transaction()
        return result

    def end_transaction(self):
        self.written += self.writes
        self.empty += not self.writes
        self.writes = False


@contextmanager
def counted(monkeypatch):
    """Count what happens in the block. Methods are wrapped, and do what they always do."""
    costs = Costs()
    commit, begin = connection.commit, Replay.__init__

    def counted_commit():
        commit()
        costs.end_transaction()

    def counted_begin(self, *args, **kwargs):
        costs.replays += 1
        begin(self, *args, **kwargs)

    with monkeypatch.context() as patched, connection.execute_wrapper(costs.statement):
        patched.setattr(connection, "commit", counted_commit)
        patched.setattr(Replay, "__init__", counted_begin)
        yield costs


def commits_by_the_server():
    """What PostgreSQL itself has counted for this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("count", [1, 10, 40])
def test_a_sequence_of_actions_costs_one_commit_each_and_two_more_and_replays_nothing(count, monkeypatch):
    workflow_id = flows.sums.start([1] * count)
    with counted(monkeypatch) as costs:
        run()
    assert workflow.status(workflow_id) == Completed(count)
    assert costs.written <= count + 2 + EMPTY_CLAIMS
    assert costs.replays == 1, "the handler came to life once"


@pytest.mark.postgres
def test_the_server_counts_no_more_commits_than_we_do(monkeypatch):
    flows.sums.start([1] * 10)
    before = commits_by_the_server()
    with counted(monkeypatch) as costs:
        run()
    # The three statements of each look are transactions too, but for the last one that reads the counter itself.
    assert commits_by_the_server() - before <= costs.written + costs.empty + 3


def test_each_step_costs_as_many_statements_however_long_the_journal_and_a_single_one_on_postgresql(monkeypatch):
    seen = []
    for count in (5, 50, 500):
        flows.sums.start([1] * count)
        with counted(monkeypatch) as costs:
            statements = []

            def count_statement(execute, sql, params, many, context, statements=statements):
                if "RECURSIVE" not in sql:  # priorities in use are looked up once a second
                    statements.append(sql)
                return execute(sql, params, many, context)

            with connection.execute_wrapper(count_statement):
                run()
        seen.append(len(statements))
        assert costs.replays == 1
    each = 1 if VENDOR == "postgres" else 4
    assert seen[1] - seen[0] <= 45 * each
    assert seen[2] - seen[1] <= 450 * each


def test_mutations_cost_one_commit_each_too(monkeypatch):
    flows.mutations.start("k", 10)
    with counted(monkeypatch) as costs:
        run()
    assert costs.written <= 11 + 2 + EMPTY_CLAIMS, "ten mutations, a query, and two"
    assert costs.replays == 1


def test_a_mutation_that_fails_costs_no_replay(monkeypatch):
    """Its handler goes on with the failure, from where it stood before the mutation was undone."""
    workflow_id = flows.tries_a_mutation.start("k")
    with counted(monkeypatch) as costs:
        run()
    assert workflow.status(workflow_id) == Completed(["no money", "k-2"])
    assert costs.written <= 2 + 2 + EMPTY_CLAIMS
    assert costs.replays == 1


def test_inline_steps_cost_nothing_of_their_own(monkeypatch):
    flows.inline_mutations.start("k", 10)
    with counted(monkeypatch) as costs:
        run()
    assert costs.written <= 2 + EMPTY_CLAIMS, "the claim and the turn"


def test_a_sleeping_workflow_costs_nothing(monkeypatch):
    for _ in range(5):
        flows.sleeper.start(3600)
    run()
    with counted(monkeypatch) as costs:
        assert run() == 0
    assert costs.replays == 0
    assert costs.written <= EMPTY_CLAIMS
