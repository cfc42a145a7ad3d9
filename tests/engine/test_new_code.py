"""What other code has blocked is looked at once by each code that comes, and by no other worker meanwhile."""

import ctypes

import pytest

from django_workflows import Completed
from django_workflows.core.registry import registry
from django_workflows.engine import deployed_code
from django_workflows.engine.deployed_code import BlockedWatch
from django_workflows.models import Step, Workflow
from tests.app import workflows as flows
from tests.engine.driver import advance, run

workflow = flows.workflow


class Unknown:
    """Takes a definition away from this process, as in a worker of older code, and gives it back."""

    def __init__(self, definition) -> None:
        self.definition = definition

    def __enter__(self) -> None:
        registry.remove(self.definition.name)

    def __exit__(self, *exc_info: object) -> None:
        registry._definitions[self.definition.name] = self.definition


@pytest.fixture(autouse=True)
def deploy(monkeypatch: pytest.MonkeyPatch):
    """Be of this code from now on."""
    monkeypatch.setattr(deployed_code, "_code", ctypes.create_string_buffer(13))

    def be(code: str) -> None:
        deployed_code._code.value = code.encode()
        deployed_code.none_ahead()

    be("a" * 12)
    yield be
    deployed_code.none_ahead()


def codes() -> list[str]:
    return Workflow.objects.get().blocked_codes.split()


def test_what_is_blocked_resumes_with_the_first_drain_of_other_code(deploy) -> None:
    workflow_id = flows.nothing.start()
    with Unknown(flows.nothing):
        run()
    assert workflow.status(workflow_id).blocked.reason == "unknown_definition"
    assert codes() == ["a" * 12]
    assert not BlockedWatch("").look(), "this code has looked at it"
    assert run() == 0
    deploy("b" * 12)
    assert BlockedWatch("").look()
    run()
    assert workflow.status(workflow_id) == Completed("done")
    assert not BlockedWatch("").look()


def test_workers_of_the_older_code_leave_it_alone_meanwhile(deploy) -> None:
    flows.nothing.start()
    with Unknown(flows.nothing):
        run()
        deploy("b" * 12)
        assert not BlockedWatch("").look(), "it is not defined here"
    assert BlockedWatch("").look()
    deploy("a" * 12)
    assert run() == 0, "it is not due, so others do not find it"


def test_each_code_looks_once_at_what_it_does_not_match_either(deploy, monkeypatch) -> None:
    flows.nothing.start()
    with Unknown(flows.nothing):
        run()
    seen = []
    monkeypatch.setattr("django_workflows.engine.drain.advance", lambda claimed, queue: seen.append(claimed) or block())

    def block() -> None:
        from django_workflows.engine.ends import block_unknown

        block_unknown(seen[-1])

    for code in ("b" * 12, "c" * 12, "b" * 12, "a" * 12):
        deploy(code)
        for _ in range(3):
            if BlockedWatch("").look():
                run()
    assert len(seen) == 2
    assert codes() == ["a" * 12, "b" * 12, "c" * 12]


def test_a_blocked_row_keeps_the_last_eight(deploy) -> None:
    flows.nothing.start()
    with Unknown(flows.nothing):
        for number in range(12):
            deploy(f"{number:012d}")
            run()
            advance(61)
    assert codes() == [f"{number:012d}" for number in range(4, 12)]


def test_a_step_whose_function_is_not_known_resumes_too(deploy, monkeypatch) -> None:
    workflow_id = flows.call.start("action", "add", {"a": 1, "b": 2}, {"run_after": 1})
    run()
    advance(2)
    monkeypatch.setattr("django_workflows.engine.run_step.function_of", lambda step: blocks(step))

    def blocks(step):
        from django_workflows.core.blocked import BlockedReason
        from django_workflows.engine.run_step import _block

        _block(step, BlockedReason.CODE_MISMATCH, "it is not known")

    run()
    assert workflow.status(workflow_id).blocked.message == "it is not known"
    deploy("b" * 12)
    assert BlockedWatch("").look()
    run()  # it is not known there either, which is looked at once
    assert not BlockedWatch("").look()
    assert workflow.status(workflow_id).blocked.message == "it is not known"
    monkeypatch.undo()
    deploy("c" * 12)
    monkeypatch.setattr(deployed_code, "_code", ctypes.create_string_buffer(b"c" * 12, 13))
    assert BlockedWatch("").look()
    run()
    assert workflow.status(workflow_id) == Completed(3)
    assert Step.objects.get().attempt == 1
