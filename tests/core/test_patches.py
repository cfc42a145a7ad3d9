"""``step.patched`` lets new code run new workflows anew and old ones as they were, whatever has become of the code."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from django_workflows import DeterminismViolation, WorkflowContext
from django_workflows.core.journal import StepKind
from django_workflows.exceptions import InvalidStep

from .steps import echo, other
from .world import Handler, World, note


def deploy(world: World, handler: Handler) -> World:
    """New code under the same journal; processes start anew."""
    world.crash()
    deployed = World(handler)
    for name in ("started_at", "journal", "functions", "delivered", "canceled_at", "seen", "now", "ending"):
        setattr(deployed, name, getattr(world, name))
    return deployed


def started(handler: Handler, steps: int) -> World:
    """A workflow of which so many steps have ended."""
    world = World(handler)
    world.turn()
    for _ in range(steps):
        world.advance(world.open[0].number)
        world.turn()
    return world


async def original(step: WorkflowContext) -> Any:
    await step.run_action(echo, "first")
    await step.run_action(echo, "old")
    return await step.run_action(echo, "last")


async def patched(step: WorkflowContext) -> Any:
    await step.run_action(echo, "first")
    if step.patched("new way"):
        await step.run_action(other, "new")
        await step.run_action(other, "newer")
    else:
        await step.run_action(echo, "old")
    return await step.run_action(echo, "last")


async def only_new(step: WorkflowContext) -> Any:
    await step.run_action(echo, "first")
    await step.run_action(other, "new")
    await step.run_action(other, "newer")
    return await step.run_action(echo, "last")


OLD = ['echo("first")', 'echo("old")', 'echo("last")']
NEW = ['echo("first")', "new way()", 'other("new")', 'other("newer")', 'echo("last")']


def test_a_workflow_that_begins_with_the_new_code_takes_the_new_branch() -> None:
    world = World(patched).run()
    assert world.asked == NEW
    assert [record.kind for record in world.journal][1] == StepKind.PATCH


@pytest.mark.parametrize("steps", [1, 2])
def test_a_workflow_that_had_passed_the_point_takes_the_old_branch(steps: int) -> None:
    world = deploy(started(original, steps), patched)
    assert world.run().asked == OLD


def test_a_workflow_that_had_not_come_to_the_point_takes_the_new_branch() -> None:
    world = deploy(started(original, 0), patched)
    assert world.run().asked == NEW


def test_a_workflow_that_had_passed_the_point_and_ended_a_step_since_takes_the_old_branch() -> None:
    world = started(original, 1)
    world.execute(1)
    assert deploy(world, patched).run().asked == OLD


def test_the_decision_stands_through_crashes() -> None:
    for world in (World(patched), deploy(started(original, 1), patched)):
        while world.ending is None:
            world.turn(keep=False)
            if world.ending is None:
                world.advance(world.open[0].number)
        assert world.asked in (OLD, NEW)


@pytest.mark.parametrize("steps", range(4))
def test_the_patched_call_can_be_removed_once_no_journal_needs_the_old_branch(steps: int) -> None:
    world = deploy(started(patched, steps), only_new)
    world.run()
    assert [name for name in world.asked if name != "new way()"] == [name for name in NEW if name != "new way()"]


def test_a_journal_that_ends_with_the_marker_replays_without_the_call() -> None:
    async def marks(step: WorkflowContext) -> None:
        step.patched("new way")
        await asyncio.Event().wait()

    async def waits(step: WorkflowContext) -> None:
        await asyncio.Event().wait()

    world = deploy(started(marks, 0), waits)
    world.turn()
    assert world.asked == ["new way()"]


def test_removing_it_too_early_is_noticed() -> None:
    world = deploy(started(original, 1), only_new)
    with pytest.raises(DeterminismViolation):
        world.turn()
    world.crash()


def test_an_unguarded_change_is_noticed_beside_a_guarded_one() -> None:
    async def careless(step: WorkflowContext) -> None:
        await step.run_action(echo, "first")
        step.patched("new way")
        await step.run_action(other, "new")

    world = deploy(started(original, 1), careless)
    with pytest.raises(DeterminismViolation) as raised:
        world.turn()
    assert raised.value.number == 1
    world.crash()


async def two_patches(step: WorkflowContext) -> list[bool]:
    first = step.patched("a")
    second = step.patched("b")
    await step.run_action(echo, f"{first} {second}")
    return [first, second, step.patched("a"), step.patched("b")]


async def swapped(step: WorkflowContext) -> list[bool]:
    second = step.patched("b")
    first = step.patched("a")
    await step.run_action(echo, f"{first} {second}")
    return [first, second, step.patched("a"), step.patched("b")]


async def second_only(step: WorkflowContext) -> list[bool]:
    second = step.patched("b")
    await step.run_action(echo, f"True {second}")
    return [second]


async def without_patches(step: WorkflowContext) -> list[bool]:
    await step.run_action(echo, "True True")
    return []


@pytest.mark.parametrize("handler", [two_patches, swapped, second_only, without_patches], ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("steps", [0, 1])
def test_two_patches_at_one_point(handler: Handler, steps: int) -> None:
    world = started(two_patches, 0)
    assert world.asked == ["a()", "b()", 'echo("True True")']
    if steps:
        world.execute(2)
    world = deploy(world, handler).run()
    assert all(world.result)
    assert len(world.journal) == 3


def test_a_patch_of_a_patch() -> None:
    async def again(step: WorkflowContext) -> None:
        await step.run_action(echo, "first")
        if step.patched("newest way"):
            await step.run_action(other, "newest")
        elif step.patched("new way"):
            await step.run_action(other, "new")
            await step.run_action(other, "newer")
        else:
            await step.run_action(echo, "old")
        await step.run_action(echo, "last")

    assert deploy(started(original, 1), again).run().asked == OLD
    assert deploy(started(patched, 1), again).run().asked == NEW
    assert World(again).run().asked == ['echo("first")', "newest way()", 'other("newest")', 'echo("last")']


def test_the_first_answer_in_a_loop_is_the_answer_of_all_rounds() -> None:
    def loop(with_patch: bool) -> Handler:
        async def handler(step: WorkflowContext) -> None:
            for number in range(4):
                if with_patch and step.patched("new way"):
                    await step.run_action(other, number)
                else:
                    await step.run_action(echo, number)

        return handler

    anew = World(loop(True)).run()
    assert anew.asked == ["new way()", *[f"other({number})" for number in range(4)]]
    for steps in range(4):
        world = deploy(started(loop(False), steps), loop(True)).run()
        assert world.asked == [f"echo({number})" for number in range(4)]


def test_a_point_that_is_first_reached_in_a_later_round_is_new() -> None:
    def loop(with_patch: bool) -> Handler:
        async def handler(step: WorkflowContext) -> None:
            for number in range(4):
                if with_patch and number >= 2 and step.patched("new way"):
                    await step.run_action(other, number)
                else:
                    await step.run_action(echo, number)

        return handler

    assert deploy(started(loop(False), 1), loop(True)).run().asked == [
        "echo(0)",
        "echo(1)",
        "new way()",
        "other(2)",
        "other(3)",
    ]
    assert deploy(started(loop(False), 2), loop(True)).run().asked == [f"echo({number})" for number in range(4)]


def test_a_patch_that_moves_keeps_its_answer() -> None:
    async def hoisted(step: WorkflowContext) -> Any:
        new = step.patched("new way")
        await step.run_action(echo, "first")
        if new:
            await step.run_action(other, "new")
            await step.run_action(other, "newer")
        else:
            await step.run_action(echo, "old")
        return await step.run_action(echo, "last")

    for steps in range(1, 4):
        assert deploy(started(patched, steps), hoisted).run().asked == NEW
    for steps in range(3):
        assert deploy(started(original, steps), hoisted).run().asked == OLD
    assert deploy(started(hoisted, 2), patched).run().asked == [
        "new way()",
        *[name for name in NEW if "way" not in name],
    ]


def test_one_task_asks_while_others_go_on() -> None:
    def race(with_patch: bool) -> Handler:
        async def branch(step: WorkflowContext, label: str) -> None:
            await step.run_action(echo, label)
            if with_patch and step.patched("new way"):
                await step.run_action(other, label)
            else:
                await step.run_action(echo, f"{label} again")

        async def handler(step: WorkflowContext) -> None:
            await asyncio.gather(branch(step, "a"), branch(step, "b"))

        return handler

    # "b" has passed the point, so that "a", which has not, keeps to the old branch as well.
    world = started(race(False), 0)
    world.execute(1)
    world.turn()
    assert deploy(world, race(True)).run().asked == ['echo("a")', 'echo("b")', 'echo("b again")', 'echo("a again")']
    world = deploy(started(race(False), 0), race(True)).run()
    assert world.asked == ['echo("a")', 'echo("b")', "new way()", 'other("a")', 'other("b")']


def test_two_processes_agree_on_a_patch() -> None:
    world = World(patched)
    world.run(processes=("first", "second"))
    assert world.asked == NEW


def test_markers_are_handed_to_nobody() -> None:
    world = World(patched).run()
    assert [record.delivery for record in world.journal] == [1, None, 2, 3, 4]


def test_a_restart_decides_anew_what_was_dropped_and_keeps_what_was_not() -> None:
    def reopened(world: World, handler: Handler, from_step: int) -> list[str]:
        """The steps that a replay asks for after the journal was cut off."""
        world = deploy(world, handler)
        replay = world.handler()
        records = [dataclasses.replace(record) for record in world.journal[:from_step]]
        replay.catch_up(records, reopened=True)
        asks = [ask.name.rpartition(".")[2] for ask in replay.take().asks]
        replay.close()
        return asks

    assert reopened(started(original, 2), patched, 2) == ["echo"], "the old branch was kept, and goes on"
    assert reopened(started(original, 2), patched, 1) == ["new way", "other"]
    assert reopened(started(patched, 2), patched, 2) == ["other"]
    assert reopened(started(patched, 2), original, 1) == ["echo"]
    assert reopened(started(patched, 2), patched, 0) == ["echo"]


@pytest.mark.parametrize("bad", ["", "x" * 201, "new\nway", None, 3])
def test_a_patch_needs_a_name(bad: Any) -> None:
    async def handler(step: WorkflowContext) -> None:
        step.patched(bad)

    world = World(handler)
    world.turn()
    assert isinstance(world.error, InvalidStep)
    assert str(world.error).startswith("patched: 1 to 200 printable characters are needed")


def test_a_patch_and_a_step_of_the_same_name_are_two_things() -> None:
    def handler_of(way: Callable[[WorkflowContext], Any]) -> Handler:
        async def handler(step: WorkflowContext) -> None:
            note(way(step))
            await asyncio.Event().wait()

        return handler

    as_patch = handler_of(lambda step: step.patched("sleep"))
    as_sleep = handler_of(lambda step: step.sleep(5) is None)
    world = deploy(started(as_patch, 0), as_sleep)
    with pytest.raises(DeterminismViolation):
        world.turn()
    world.crash()
