"""``WorkflowTester``: what a test does with workflows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from asgiref.sync import sync_to_async

from ..core.definitions import Definition
from ..core.durations import Duration, to_seconds
from ..core.histories import History
from ..engine.histories import read_history
from ..exceptions import WorkflowError
from ..manager import as_id
from ..store import database
from .calls import RecordedCall
from .fakes import MISSING, Fakes, fake_of
from .rest import next_due, work
from .takeover import set_clock, takeover

LIMIT = 1000


class WorkflowTester:
    """Runs workflows inside a test. Use it in a ``with`` block, or as ``self.enterContext(WorkflowTester())``.

    In the block no cluster is woken; what is due runs when the test says so, in its process and transaction. The
    engine's clock stands still at ``now`` until it is advanced, and every turn replays its handler from the beginning.
    Afterwards all is as it was, whatever happened in the test.
    """

    def __init__(self) -> None:
        self._fakes = Fakes()
        self._stack: ExitStack | None = None

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise WorkflowError("this WorkflowTester is in use already")
        with ExitStack() as stack:
            stack.enter_context(takeover(self._fakes.call_step))
            stack.callback(self._fakes.restore)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        stack, self._stack, self._fakes = self._stack, None, Fakes()
        if stack is not None:
            stack.close()

    # -- step functions and children

    def fake(
        self,
        function: Callable[..., Any] | Definition[Any, Any],
        *,
        returns: Any = MISSING,
        raises: BaseException | type[BaseException] = MISSING,
        calls: Callable[..., Any] = MISSING,
    ) -> None:
        """Replace a step function, or a workflow that is run as a child, until the end of the test.

        ``returns`` is its result, ``raises`` an exception or its class, ``calls`` a function, sync or async, that gets
        the decoded arguments (of a workflow, without the context). The result is checked and stored by the real one's
        annotation. Faking again replaces the fake.
        """
        self._check_in_use()
        self._fakes.put(function, fake_of(returns, raises, calls))

    def calls(self, function: Callable[..., Any] | Definition[Any, Any]) -> list[RecordedCall]:
        """Every call of a step function, faked or not, in order; each attempt is one.

        They equal ``unittest.mock.call(...)`` objects, whether arguments are given by position, name or default. Of a
        workflow: with what those that have begun were started.
        """
        self._check_in_use()
        return self._fakes.calls(function)

    # -- running

    @property
    def now(self) -> datetime:
        """The engine's time."""
        self._check_in_use()
        assert database.frozen_at is not None
        return database.frozen_at

    def run(self, *, limit: int = LIMIT, blocked: bool = False) -> int:
        """Do whatever is due, and what follows from it, until nothing is; returns how many pieces of work that was.

        A turn of a handler is a piece, and so is an attempt of a step. Always in the same order: queue, priority, due
        time, age. Raises ``NoRest`` when there are more than ``limit``, and ``WorkflowBlocked`` when a workflow is
        blocked, unless ``blocked`` is true.
        """
        self._check_in_use()
        return work(limit, blocked=blocked)

    def advance(self, duration: Duration, *, limit: int = LIMIT, blocked: bool = False) -> int:
        """Let time pass (seconds or timedelta), running what falls due at its own instant; returns as ``run`` does."""
        self._check_in_use()
        until = self.now + timedelta(seconds=to_seconds(duration, what="advance"))
        done = work(limit, blocked=blocked)
        while (due := next_due()) is not None and self.now < due <= until:
            set_clock(due)
            done = work(limit, done, blocked=blocked)
        set_clock(until)
        return done

    async def arun(self, *, limit: int = LIMIT, blocked: bool = False) -> int:
        """``run``, for async tests."""
        return await sync_to_async(self.run)(limit=limit, blocked=blocked)

    async def aadvance(self, duration: Duration, *, limit: int = LIMIT, blocked: bool = False) -> int:
        """``advance``, for async tests."""
        return await sync_to_async(self.advance)(duration, limit=limit, blocked=blocked)

    # -- afterwards

    def history(self, workflow_id: UUID | str) -> History:
        """A workflow with its journal, for ``assert_replays`` or, by ``history.dump()``, for a file."""
        return read_history(as_id(workflow_id))

    def _check_in_use(self) -> None:
        if self._stack is None:
            raise WorkflowError(
                "this WorkflowTester is not in use: write `with WorkflowTester() as workflows:`, or in setUp "
                "`self.workflows = self.enterContext(WorkflowTester())`"
            )
