"""Writes one stream, as the HTML standard has server-sent events (section 9.2)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from ...conf import settings
from ..documents import View, status_document, step_document
from .hub import Follower, Hub
from .reports import Report, mark

#: Seconds between two signs of life, by which proxies and gone clients are noticed.
_QUIET = 15.0
#: Milliseconds after which a client comes again.
_RETRY = 3000


def event(name: str, data: Mapping[str, Any], event_id: str | None = None) -> bytes:
    """One event. ``data`` is one line of ASCII JSON, so nothing in it can end the event."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def events_of(report: Report, view: View, links: Mapping[str, str]) -> list[bytes]:
    """The workflow, its changed steps, and its end. The last one has the id: a client that has it has them all."""
    if report.sight is None:
        return [event("end", {"deleted": True})]
    sight = report.sight
    document = status_document(sight.workflow, sight.steps, sight.waits, view, links)
    parts: list[tuple[str, Mapping[str, Any]]] = [("workflow", document)]
    for number, row in report.steps.items():
        parts.append(("step", step_document(row, view, report.children.get(number))))
    if sight.glance.ended:
        parts.append(("end", document))
    last = len(parts) - 1
    return [event(name, data, mark(report) if index == last else None) for index, (name, data) in enumerate(parts)]


async def stream(
    hub: Hub, first: Report, render: Callable[[Report], list[bytes]], *, begin_with_it: bool
) -> AsyncIterator[bytes]:
    """What the client is sent, from ``first`` to the workflow's end, or for ``API_STREAM_SECONDS``.

    The caller has reserved the place in the hub, which is released here.
    """
    try:
        yield f"retry: {_RETRY}\n\n".encode()
        if begin_with_it or _is_last(first):
            for part in render(first):
                yield part
        if not _is_last(first):
            async for part in _follow(hub, first, render):
                yield part
    finally:
        hub.release()


async def _follow(hub: Hub, first: Report, render: Callable[[Report], list[bytes]]) -> AsyncIterator[bytes]:
    assert first.sight is not None
    follower = Follower(first.sight.workflow.id, first.glance, first.read_at)
    until = time.monotonic() + settings.API_STREAM_SECONDS
    hub.follow(follower)
    try:
        while (left := until - time.monotonic()) > 0:
            report = await follower.take(min(_QUIET, left))
            for part in [b": still here\n\n"] if report is None else render(report):
                yield part
            if report is not None and _is_last(report):
                return
            await asyncio.sleep(0)
    finally:
        hub.leave(follower)


def _is_last(report: Report) -> bool:
    return report.sight is None or report.sight.glance.ended
