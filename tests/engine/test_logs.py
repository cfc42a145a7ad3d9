"""Log records say which workflow, step and attempt they tell of."""

import logging

import pytest
from django.db import transaction

from django_workflows import Completed, WorkflowContext, current_step
from django_workflows.logs import StepFilter
from tests.app import workflows as flows
from tests.engine.driver import finish

workflow = flows.workflow


def log_something():
    logging.getLogger("a.library").warning("while paying")
    logging.getLogger("a.library").warning("its own", extra={"step": "mine"})
    return current_step().workflow_name


@workflow.define(name="tests logging")
async def logging_workflow(step: WorkflowContext) -> str:
    step.logger.warning("from the handler")
    return await step.run_action(log_something)


def test_every_record_of_a_step_says_where_it_was_written(caplog):
    workflow_id = logging_workflow.start()
    with caplog.filtering(StepFilter()):
        logging.getLogger("a.library").warning("outside")
        assert finish(workflow_id) == Completed("tests logging")

    records = {record.getMessage(): record for record in caplog.records}
    inside, own, outside = records["while paying"], records["its own"], records["outside"]
    assert inside.workflow_id == str(workflow_id)
    assert inside.workflow == "tests logging"
    assert inside.step_number == 0
    assert inside.step == "tests.engine.test_logs.log_something"
    assert inside.attempt == 1
    assert own.step == "mine"
    assert (outside.workflow_id, outside.step, outside.step_number, outside.attempt) == ("", "", None, None)
    assert records["from the handler"].workflow_id == str(workflow_id)


def test_the_librarys_own_records_say_what_they_are_about(caplog):
    caplog.set_level(logging.DEBUG, "django_workflows")
    workflow_id = flows.retried.start("n", 2)
    finish(workflow_id)
    failing = flows.call.start("mutation", "insert_effect_and_fail", {"key": "k"}, {})
    finish(failing)

    records = [record for record in caplog.records if record.name == "django_workflows"]
    assert {record.workflow_id for record in records} == {str(workflow_id), str(failing)}
    (again,) = (record for record in records if "is tried again" in record.getMessage())
    assert (again.levelno, again.step_number, again.attempt) == (logging.INFO, 0, 1)
    assert again.step == "tests.app.steps.fail_until"
    assert "Unreachable: call 1" in again.getMessage()
    (step_failed,) = (record for record in records if "insert_effect_and_fail) of" in record.getMessage())
    assert step_failed.levelno == logging.INFO
    assert step_failed.workflow_id == str(failing)
    assert "CardDeclined: no money" in step_failed.getMessage()
    (failed,) = (record for record in records if record.levelno == logging.WARNING)
    assert failed.getMessage().startswith(f"Workflow tests.app.workflows.call {failing} failed after ")
    assert failed.workflow == "tests.app.workflows.call"


def test_a_message_of_several_lines_is_one_line_of_the_log(caplog):
    workflow_id = flows.fails.start("broken\n2026-01-01 ERROR forged")
    finish(workflow_id)
    (record,) = (each for each in caplog.records if each.name == "django_workflows")
    assert record.getMessage().endswith("RuntimeError: broken 2026-01-01 ERROR forged")


def test_what_is_rolled_back_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG, "django_workflows")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        flows.nothing.start()
        1 / 0  # noqa: B018
    assert not [record for record in caplog.records if record.name == "django_workflows"]
