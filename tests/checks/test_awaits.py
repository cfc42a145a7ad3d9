"""Steps that are asked for and never awaited, with file and line, and nothing that is awaited some other way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Agrees = Callable[[str], None]

DROPPED = [
    "step.run_action(print, 1)",
    "step.run_mutation(print, 1)",
    "step.run_query(print, 1)",
    "step.run_workflow(step, 1)",
    "step.sleep(5)",
    "step.sleep_until(1)",
    "step.await_event('x')",
    "step.create_event('x')",
    "step.map(print, [1])",
    "step.with_options(retry=True).run_action(print, 1)",
    "asyncio.gather(step.sleep(1), step.sleep(2))",
    "asyncio.sleep(5)",
    "helper(step)",
    "mail = step.run_action(print, 1)",
    "_ = step.run_action(print, 1)",
    "mail: object = step.run_action(print, 1)",
    "context = step.with_options(retry=True); context.sleep(1)",
    "[step.sleep(1) for _ in range(3)] or step.sleep(2) if False else None; step.sleep(3)",
]
KEPT = [
    "await step.run_action(print, 1)",
    "return step.run_action(print, 1)",
    "mail = step.run_action(print, 1); await mail",
    "mail = step.run_action(print, 1); await asyncio.wait([mail])",
    "mails = [step.run_action(print, 1)]; await asyncio.gather(*mails)",
    "mails = []; mails.append(step.run_action(print, 1)); await mails[0]",
    "step.run_action(print, 1).add_done_callback(print)",
    "task = asyncio.create_task(helper(step)); await task",
    "asyncio.create_task(helper(step))",
    "async with asyncio.TaskGroup() as group: group.create_task(helper(step))",
    "await asyncio.wait_for(step.sleep(1), 5)",
    "mail = other = step.run_action(print, 1); await other",
    "self.mail = step.run_action(print, 1)",
    "mails['x'] = step.run_action(print, 1)",
    "first, second = step.sleep(1), step.sleep(2)",
    "def later(): return mail\n    mail = step.sleep(1); await later()",
    "global MAIL; MAIL = step.sleep(1)  #! W016",
    "step.logger.info('x')",
    "step.now(); step.uuid4(); step.patched('x')",
    "step.continue_as_new(1)",
    "step.run_action(print, 1)  # deterministic: it may go out or not",
]
SETTING = """
import asyncio

async def helper(step):
    await step.sleep(1)

async def handler({}, self=None, mails=None):
    {}
"""


@pytest.mark.parametrize("parameter", ["step", "step: WorkflowContext"])
@pytest.mark.parametrize("code", DROPPED)
def test_what_is_dropped_is_seen(agrees: Agrees, code: str, parameter: str) -> None:
    imports = "from django_workflows import WorkflowContext\n"
    agrees(imports + SETTING.format(parameter, f"{code}  #! W044"))


@pytest.mark.parametrize("parameter", ["step", "step: WorkflowContext"])
@pytest.mark.parametrize("code", KEPT)
def test_what_is_kept_is_not(agrees: Agrees, code: str, parameter: str) -> None:
    imports = "from django_workflows import WorkflowContext\n"
    agrees(imports + SETTING.format(parameter, code))


def test_it_is_seen_in_functions_that_the_handler_calls(agrees: Agrees) -> None:
    agrees(
        """
        from django_workflows import WorkflowContext

        async def tell(step: WorkflowContext, name):
            step.run_action(print, name)  #! W044

        async def handler(step):
            async def inner():
                step.sleep(1)  #! W044
            await inner()
            await tell(step, 1)
        """
    )
