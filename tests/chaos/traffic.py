"""Starts the workflows, sends their events and cancels, however often the database goes away under it."""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from django_workflows import WorkflowNotRunning
from django_workflows.models import Event, Workflow
from tests.app.chaos_steps import completed
from tests.app.chaos_workflows import go, workflow
from tests.chaos.plan import Planned

T = TypeVar("T")
#: So many workflows are under way at a time.
AT_ONCE = 150


def persist(call: Callable[[], T], seconds: float = 60.0) -> T:
    """Call it until the database answers; it must be one that may be called twice."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (DatabaseError, InterfaceError) as error:
            if "locked" in str(error) or time.monotonic() > until:
                raise  # SQLite must never say that
            with contextlib.suppress(Exception):
                connection.close()
            time.sleep(0.05)


class Traffic(threading.Thread):
    """``ids`` are the workflows whose start was acknowledged; ``error`` is what went wrong, if anything did.

    ``doing`` is what it does at present.
    """

    def __init__(self, plan: Sequence[Planned], spread: float) -> None:
        """``spread``: how many seconds the starts take, at least."""
        super().__init__(name="traffic", daemon=True)
        self._pause = spread / max(1, len(plan))
        self.plan = plan
        self.ids: dict[str, UUID] = {}
        self.error: BaseException | None = None
        self.doing = "yet to begin"
        self._later: list[tuple[float, int, Planned]] = []

    def run(self) -> None:
        try:
            began = time.monotonic()
            for index, planned in enumerate(self.plan):
                while time.monotonic() < began + index * self._pause:
                    self._follow_up()
                    time.sleep(0.01)
                self._start(index, planned)
                self._follow_up()
                if index % 10 == 9:
                    self._wait_for_room()
            while self._later:
                self._follow_up()
                time.sleep(0.02)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            self.error = error
        finally:
            self.doing = f"stopped by {self.error!r}" if self.error else "all done"
            connection.close()

    def _start(self, index: int, planned: Planned) -> None:
        self.doing = f"starting {planned.key}"
        options = {"on_complete": completed, "context": planned.key, "idempotency_key": planned.key}
        start = planned.definition.with_options(**options).start
        self.ids[planned.key] = persist(lambda: start(**planned.args))
        if planned.shape in ("waits", "given_up"):
            heapq.heappush(self._later, (time.monotonic() + planned.later, index, planned))

    def _follow_up(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, index, planned = heapq.heappop(self._later)
            workflow_id = self.ids[planned.key]
            act = _send if planned.shape == "waits" else _cancel
            self.doing = f"calling {act.__name__} for {planned.key}"
            if not persist(lambda: act(workflow_id)):  # noqa: B023
                heapq.heappush(self._later, (time.monotonic() + 0.2, index, planned))

    def _wait_for_room(self) -> None:
        self.doing = "waiting for room"
        while persist(lambda: Workflow.objects.filter(state="in_progress", parent=None).count()) > AT_ONCE:
            self._follow_up()
            time.sleep(0.05)


def _send(workflow_id: UUID) -> bool:
    if not Event.objects.filter(workflow_id=workflow_id, name=go.name).exclude(state="waiting").exists():
        workflow.send_event(workflow_id, go, 7)
    return True


def _cancel(workflow_id: UUID) -> bool:
    """False as long as it has not begun: then there would be nothing to clean up."""
    if Workflow.objects.get(pk=workflow_id).started_at is None:
        return False
    with contextlib.suppress(WorkflowNotRunning):  # the answer to the first one was lost
        workflow.cancel(workflow_id)
    return True
