"""Calls that are made of several steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .durations import Duration

if TYPE_CHECKING:
    from .context import WorkflowContext


async def rolling_map(step: WorkflowContext, fn: Callable[..., Any], items: list[Any], limit: int) -> list[Any]:
    """An action for each item, ``limit`` of them open at any time; their results in the order of the items."""
    results: list[Any] = [None] * len(items)
    left = iter(enumerate(items))

    async def take_next() -> None:
        for index, item in left:
            results[index] = await step.run_action(fn, item)

    takers = [asyncio.ensure_future(take_next()) for _ in range(min(limit, len(items)))]
    try:
        await asyncio.gather(*takers)
    finally:
        for taker in takers:
            taker.cancel()
    return results


async def await_later(step: WorkflowContext, event: Any, timeout: Duration | None, name: str) -> Any:
    """A timer that the context's options delay, and then the wait for the event."""
    await step.with_options(timeout=None).sleep(0, name=name)
    return await step.with_options(run_after=None).await_event(event, timeout)
