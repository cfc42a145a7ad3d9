"""Golden journals: what was written once replays for ever.

``journals`` is append-only: a file is never changed nor deleted, for somewhere a database is full of its like. To add
one, add a handler to ``flows`` and a line to ``SCENES``, and run this module with
``DJANGO_WORKFLOWS_RECORD_HISTORIES=1``, which writes the files that are missing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from django_workflows.core.histories import History
from django_workflows.core.logic import INSTANCE_REFERENCES
from django_workflows.core.registry import registry
from django_workflows.engine.histories import mismatch
from django_workflows.testing import WorkflowTester, assert_replays
from tests.app.models import Counter
from tests.histories import flows

JOURNALS = Path(__file__).parent / "journals"
FILES = sorted(JOURNALS.glob("*.json"))
RECORD = bool(os.environ.get("DJANGO_WORKFLOWS_RECORD_HISTORIES"))
workflow = flows.workflow
Scene = Callable[[WorkflowTester], UUID]


def _plain(definition: Any, *args: Any, seconds: int = 100_000) -> Scene:
    def scene(workflows: WorkflowTester) -> UUID:
        workflow_id: UUID = definition.start(*args)
        workflows.run()
        workflows.advance(seconds)
        return workflow_id

    return scene


def _events(workflows: WorkflowTester) -> UUID:
    workflow_id = flows.events.start()
    workflow.send_event(workflow_id, flows.answer, 1)
    workflows.run()
    workflow.send_event(workflow_id, "by name", error="gave up")
    workflows.run()
    made = workflow.list().get(pk=workflow_id).events.get(name="made")
    workflow.send_event(event_id=made.id, value={"a": [1]})
    workflows.run()
    workflows.advance(10)
    workflow.send_event(workflow_id, "delayed", "x")
    workflows.advance(60)
    return workflow_id


def _sent(definition: Any, *args: Any, after: int = 1) -> Scene:
    def scene(workflows: WorkflowTester) -> UUID:
        workflow_id: UUID = definition.start(*args)
        workflows.advance(after)
        workflow.send_event(workflow_id, "go", 7)
        workflows.run()
        return workflow_id

    return scene


def _canceled(force: bool, seconds: int) -> Scene:
    def scene(workflows: WorkflowTester) -> UUID:
        workflow_id = flows.canceled.start()
        workflows.run()
        workflow.cancel(workflow_id, force=force)
        workflows.advance(seconds)
        return workflow_id

    return scene


def _restarted(workflows: WorkflowTester) -> UUID:
    workflow_id = flows.failures.start(False)
    workflows.advance(100)
    workflow.restart(workflow_id)
    workflows.advance(100)
    workflow.restart(workflow_id, 1)
    return workflow_id


def _instances(logic: int) -> Scene:
    def scene(workflows: WorkflowTester) -> UUID:
        workflow_id = flows.instances.start(Counter.objects.create(pk=17, name="golden"))
        workflow.list().filter(pk=workflow_id).update(logic=logic)
        workflows.run()
        workflows.advance(100)
        return workflow_id

    return scene


SCENES: dict[str, Scene] = {
    "kinds": _plain(flows.kinds),
    "values": _plain(flows.values, flows.ITEM),
    "failure": _plain(flows.failures, False),
    "failure-caught": _plain(flows.failures, True),
    "restarted": _restarted,
    "timers": _plain(flows.timers),
    "timers-waiting": _plain(flows.timers, seconds=4000),
    "events": _events,
    "gather": _plain(flows.gathered),
    "gather-waiting": _plain(flows.gathered, seconds=0),
    "race-step": _plain(flows.race, 1000),
    "race-timer": _plain(flows.race, 10),
    "race-tie": _plain(flows.race, 20),
    "race-event": _sent(flows.race, 1000),
    "deadline-met": _sent(flows.deadline),
    "deadline-missed": _plain(flows.deadline),
    "group-and-map": _plain(flows.group),
    "children": _plain(flows.parent),
    "canceled": _canceled(False, 10),
    "canceled-cleaning-up": _canceled(False, 1),
    "canceled-by-force": _canceled(True, 1),
    "anew": _sent(flows.anew, 0),
    "anew-waiting": _plain(flows.anew, 0),
    "patched": _plain(flows.patched),
    "unstable": _plain(flows.unstable),
    "instances": _instances(INSTANCE_REFERENCES),
    "instances-before": _instances(0),
    "not-begun": lambda workflows: flows.kinds.start(),
}


def play(name: str) -> History:
    flows.tried.clear()
    with WorkflowTester() as workflows:
        return workflows.history(SCENES[name](workflows))


@pytest.mark.django_db
@pytest.mark.parametrize("name", SCENES)
def test_every_shape_has_a_journal_and_is_still_written_like_it(name: str) -> None:
    history = play(name)
    path = JOURNALS / f"{name}.json"
    if RECORD and not path.exists():
        without_paths = re.sub(r'"traceback": "(?:[^"\\\\]|\\\\.)*"', '"traceback": ""', history.dump())
        path.write_text(without_paths, encoding="utf-8")
    golden = History.load(path.read_text(encoding="utf-8"))
    assert golden.state == history.state
    assert [_shape(step) for step in golden.steps] == [_shape(step) for step in history.steps]


def _shape(step: Any) -> tuple[Any, ...]:
    by_id = step.function.startswith("id:")
    named = ("", "id:") if by_id else (step.name, step.function)
    return step.number, step.kind, step.state, step.delivery, *named


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> None:
    """The row that a workflow function of before references reads when it is replayed."""
    if request.node.callspec.params["path"].stem == "instances-before":
        request.getfixturevalue("db")
        Counter.objects.create(pk=17, name="golden")


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_journal_replays_for_ever(path: Path) -> None:
    history = History.load(path.read_text(encoding="utf-8"))
    assert_replays(registry.find(history.name), history)
    assert History.load(history.dump()) == history, "it can be written again without a loss"


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_journal_of_which_a_step_was_another_does_not_replay(path: Path) -> None:
    """The check has teeth: change the last step that was recorded, and it must be found."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not document["steps"]:
        pytest.skip("it has no step")
    document["steps"][-1]["name"] += " of another name"
    if document["steps"][-1]["kind"] == "patch":
        pytest.skip("a marker is not asked for")
    history = History.load(json.dumps(document))
    assert mismatch(registry.find(history.name), history) is not None


def test_none_is_missing() -> None:
    assert {path.stem for path in FILES} >= {*SCENES, "patched-before"}


def test_old_journals_of_patched_code_take_the_old_branch() -> None:
    before = History.load((JOURNALS / "patched-before.json").read_text(encoding="utf-8"))
    after = History.load((JOURNALS / "patched.json").read_text(encoding="utf-8"))
    assert [step.kind for step in before.steps] == ["action", "mutation"]
    assert [step.kind for step in after.steps] == ["action", "patch", "action", "mutation"]
