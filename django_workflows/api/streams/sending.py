"""Writes one stream, as the HTML standard has server-sent events (section 9.2)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from ...conf import settings
from ..documents import View
from .hub import Follower, Full, Hub
from .reports import Report, mark

#: Seconds between two signs of life, by which proxies and gone clients are noticed.
_QUIET = 15.0
#: Milliseconds after which a client comes again.
_RETRY = 3000


def event(name: str, data: Mapping[str, Any], event_id: str | None = None) -> bytes:
    """One event. ``data`` is one line of ASCII JSON, so nothing in it can end the event."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def events_of(
    report: Report, view: View, own: Mapping[str, Any], visible: Callable[[set[UUID]], set[UUID]]
) -> list[bytes]:
    """The workflow, its changed steps, and its end. The last one has the id: a client that has it has them all.

    ``own`` is what of the workflow's document is this client's own; ``visible`` tells which children exist for it.
    """
    if report.sight is None:
        return [event("end", {"deleted": True})]
    document = {**report.status(view), **own}
    parts: list[tuple[str, Mapping[str, Any]]] = [("workflow", document)]
    shown = visible(set(report.children.values()))
    for number, step in report.steps.items():
        child = report.children.get(number)
        parts.append(("step", {**step(view), "child": str(child) if child in shown else None}))
    if report.sight.glance.ended:
        parts.append(("end", document))
    last = len(parts) - 1
    return [event(name, data, mark(report) if index == last else None) for index, (name, data) in enumerate(parts)]


async def stream(
    hub: Hub, first: Report, render: Callable[[Report], list[bytes]], *, begin_with_it: bool
) -> AsyncIterator[bytes]:
    """What the client is sent, from ``first`` to the workflow's end, or for ``API_STREAM_SECONDS``.

    ``render`` is called in a thread. Where others were quicker to begin, it ends at once, and the client comes again.
    """
    try:
        with hub.one_more():
            yield f"retry: {_RETRY}\n\n".encode()
            if begin_with_it or _is_last(first):
                for part in await hub.apart(partial(render, first)):
                    yield part
            if not _is_last(first):
                async for part in _follow(hub, first, render):
                    yield part
    except Full:
        yield f"retry: {_RETRY}\n\n".encode()


async def _follow(hub: Hub, first: Report, render: Callable[[Report], list[bytes]]) -> AsyncIterator[bytes]:
    assert first.sight is not None
    follower = Follower(first.sight.workflow.id, first.glance, first.read_at)
    until = time.monotonic() + settings.API_STREAM_SECONDS
    hub.follow(follower)
    try:
        while (left := until - time.monotonic()) > 0:
            report = await follower.take(min(_QUIET, left))
            for part in [b": still here\n\n"] if report is None else await hub.apart(partial(render, report)):
                yield part
            if report is not None and _is_last(report):
                return
            await asyncio.sleep(0)
    finally:
        hub.leave(follower)


def _is_last(report: Report) -> bool:
    return report.sight is None or report.sight.glance.ended
