"""For how long a workflow has run: since its start, or since it was restarted, without what passed in between."""

from datetime import timedelta

from django_workflows.engine.sketch import sketch
from django_workflows.store import activity, database
from django_workflows.words.sentences import standing
from tests.app import workflows as flows
from tests.app.workflows import workflow
from tests.engine.driver import advance, finish, run


def test_durations_count_the_present_run_and_not_the_outage() -> None:
    workflow_id = flows.asks_approval.start()
    run()
    workflow.cancel(workflow_id)
    advance(timedelta(days=3))
    workflow.restart(workflow_id)
    run()
    advance(90)
    row = workflow.list().get()
    assert standing(row, database.now()).startswith("in progress for 1 min 30 s")
    journal = sketch(workflow_id)
    assert journal.laid_out().whole.duration < timedelta(minutes=2)
    assert all(step.created_at >= row.restarted_at for step in journal.steps)
    workflow.send_event(workflow_id, flows.approval, True)
    finish(workflow_id)
    assert standing(workflow.list().get(), database.now()).startswith("completed after 1 min 30 s")
    assert activity.count_durations([row.name], (1, 86_400), 10)[row.name] == [0, 1, 0]


def test_kept_steps_of_before_stay_in_the_picture() -> None:
    workflow_id = flows.sums.start([1, 2])
    finish(workflow_id)
    advance(timedelta(days=3))
    workflow.restart(workflow_id, from_step=1)
    finish(workflow_id)
    timeline = sketch(workflow_id).laid_out()
    assert timeline.whole.duration > timedelta(days=2)
    assert timeline.gaps
    assert "d" not in standing(workflow.list().get(), database.now()).removeprefix("completed after")
