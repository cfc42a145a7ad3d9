"""Workflows whose handlers do what a list of words tells them, so that a test can have any shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from django_workflows import RetryPolicy, RunResult, StepFailed, WorkflowContext, WorkflowManager, current_step
from django_workflows.models import Workflow
from tests.app.models import Effect

workflow = WorkflowManager()
limited = WorkflowManager(max_parallelism=2, name="tests.races.limited")
LIMIT = 2
TIMEOUT = 50.0

#: Every run of an action: workflow, generation, number, attempt. No crash takes it back.
acted: list[tuple[str, int, int, int]] = []
#: What others do while an action runs, where a test says that.
meanwhile: Callable[[], None] | None = None


def _generation(workflow_id: UUID) -> int:
    return Workflow.objects.values_list("generation", flat=True).get(pk=workflow_id)


def note_effect() -> int:
    """A mutation: one row per effect, which says whose it is."""
    step = current_step()
    value = f"step {step.workflow_id} {_generation(step.workflow_id)} {step.number}"
    return Effect.objects.create(key=str(uuid4()), value=value).pk


def read_effects() -> bool:
    return Effect.objects.exists()


def outcome_of(generation: int, attempt: int) -> int:
    """What an action returns: it tells who ran it."""
    return generation * 1000 + attempt


def act() -> int:
    attempt = current_step().attempt_id
    acted.append((str(attempt.workflow_id), attempt.generation, attempt.number, attempt.attempt))
    if meanwhile is not None:
        meanwhile()
    return outcome_of(attempt.generation, attempt.attempt)


def act_badly() -> int:
    """Fails the first time."""
    outcome = act()
    if outcome % 1000 == 1:
        raise ConnectionError("not yet")
    return outcome


def note_end(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """An ``on_complete``."""
    Effect.objects.create(key=str(uuid4()), value=f"end {workflow_id} {_generation(workflow_id)}")


async def _first(step: WorkflowContext, *waits: Any) -> list[Any]:
    """What the first of these gives; the others are given up."""
    done, late = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in late:
        each.cancel()
    return [each.result() for each in waits if each in done and each.exception() is None]


async def _do(step: WorkflowContext, word: str, got: list[int]) -> None:  # noqa: C901 - a list of words
    again = step.with_options(retry=RetryPolicy(max_attempts=9, initial_backoff=5, jitter=0))
    match word:
        case "mutation":
            await step.run_mutation(note_effect)
        case "inline":
            await step.with_options(inline=True).run_mutation(note_effect)
        case "query":
            await step.run_query(read_effects)
        case "action":
            await step.run_action(act)
        case "retried":
            await again.run_action(act_badly)
        case "sleep":
            await step.sleep(10)
        case "event":
            got.append(await step.await_event("go"))
        case "event or not":
            with suppress(TimeoutError):
                got.append(await step.await_event("go", timeout=TIMEOUT))
        case "event in time":
            with suppress(TimeoutError):
                async with asyncio.timeout(20):
                    got.append(await step.await_event("go"))
        case "made":
            got.append(await step.await_event(await step.create_event("made")))
        case "side by side":
            await asyncio.gather(
                step.run_mutation(note_effect), again.run_action(act_badly), step.sleep(5), step.run_action(act)
            )
        case "several":
            await asyncio.gather(*(step.run_action(act) for _ in range(4)))
        case "first":
            got += [
                each
                for each in await _first(step, step.await_event("go"), step.sleep(15), step.run_workflow(brief))
                if isinstance(each, int) and each > 1
            ]
        case "fast":
            await _first(step, step.run_action(act), again.run_action(act_badly), step.run_mutation(note_effect))
        case "child":
            got += await step.run_workflow(told, ["event", "mutation"], True)
        case "brief child":
            await step.run_workflow(brief)


@workflow.define
async def brief(step: WorkflowContext) -> int:
    await step.run_mutation(note_effect)
    return 0


async def _tell(step: WorkflowContext, words: list[str], careful: bool, got: list[int]) -> list[int]:
    try:
        for index, word in enumerate(words):
            if word == "anew":
                step.continue_as_new(words[index + 1 :], careful, got)
            with suppress(StepFailed):
                await _do(step, word, got)
    except asyncio.CancelledError:
        if careful:
            await step.run_mutation(note_effect)
            await step.sleep(10)
        raise
    return got


@workflow.define
async def told(step: WorkflowContext, words: list[str], careful: bool = False, got: list[int] = []) -> list[int]:  # noqa: B006
    """Does ``words`` in turn; returns the values of the events that it was given."""
    return await _tell(step, words, careful, list(got))


@limited.define
async def told_limited(
    step: WorkflowContext,
    words: list[str],
    careful: bool = False,
    got: list[int] = [],  # noqa: B006
) -> list[int]:
    """The same, with few places for its steps."""
    return await _tell(step, words, careful, list(got))


WORDS = [
    "mutation",
    "inline",
    "query",
    "action",
    "retried",
    "sleep",
    "event",
    "event or not",
    "event in time",
    "made",
    "side by side",
    "first",
    "fast",
    "child",
    "brief child",
    "anew",
]
