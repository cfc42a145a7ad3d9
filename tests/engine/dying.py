"""Kills the worker at a chosen place: nothing that it would have done afterwards is done."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections

from django_workflows.engine import dispatch
from django_workflows.engine.marks import Marks
from django_workflows.models import Step, Workflow
from tests.engine.driver import become_another_process

T = TypeVar("T")


class Died(BaseException):
    """No ``Exception``: nobody but the test catches it."""


class _Deadly:
    """The usual dispatcher, by which a death ends a worker, too."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual
        self.interrupts = (*usual.interrupts, Died)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)


@contextmanager
def deadly() -> Iterator[None]:
    """In the block ``Died`` ends a worker from outside, and is no error of the function that it comes up in."""
    usual = dispatch.use(_Deadly(dispatch._dispatcher))
    try:
        yield
    finally:
        dispatch.use(usual)


class Mortal:
    """Counts the statements and commits of this connection, and dies before or after the one it is told."""

    def __init__(
        self, *, at: int | None = None, before: bool = True, when: Callable[[str], bool] | None = None
    ) -> None:
        self.count = 0
        self.dead = False
        self._at, self._before, self._when = at, before, when
        self.seen: list[str] = []
        self._cursors: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Numbers of those that were not part of a larger transaction: what they wrote was there to stay.
        self.committed: set[int] = set()

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self._cursors.add(context["cursor"])
        return self.pass_by(sql, lambda: execute(sql, params, many, context))

    def pass_by(self, what: str, do: Callable[[], Any]) -> Any:
        if self.dead:
            raise Died(what)
        here = self.count == self._at or (self._when is not None and self._when(what))
        number, self.count = self.count, self.count + 1
        self.seen.append(what)
        if here and self._before:
            self.die(what)
        result = do()
        if not connection.in_atomic_block or what == "COMMIT":
            self.committed.add(number)
        if here:
            self.die(what)
        return result

    def die(self, what: str) -> None:
        """Die here and now."""
        self.dead = True
        # SQLite keeps a closed connection, and its locks, as long as a statement of it is under way: until the last one
        # who has the cursor forgets it, and tracebacks can have it for long. The dead have nothing.
        for cursor in self._cursors:
            with suppress(Exception):
                cursor.close()
        # At once: what is not committed is lost with the connection, and on its way out of a block Django would have
        # SQLite commit it, by switching autocommit on.
        if not connection.in_atomic_block:
            connection.close()
        raise Died(what)

    @contextmanager
    def marking(self) -> Iterator[None]:
        """What a batch has marked outlives its process; the dead mark nothing any more, while blocks are left."""
        usual = {name: vars(Marks)[name] for name in ("expect", "begun", "clear")}
        for name, method in usual.items():
            setattr(Marks, name, self._unless_dead(method))
        try:
            yield
        finally:
            for name, method in usual.items():
                setattr(Marks, name, method)

    def _unless_dead(self, method: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            if not self.dead:
                method(*args)

        return call


@contextmanager
def mortal(**options: Any) -> Iterator[Mortal]:
    """While in the block, this process dies as ``options`` say; afterwards it is another process."""
    life = Mortal(**options)
    before, commit = vars(connections[DEFAULT_DB_ALIAS]).get("commit"), connection.commit
    connection.commit = lambda: life.pass_by("COMMIT", commit)
    try:
        with deadly(), connection.execute_wrapper(life.statement), life.marking():
            yield life
    except Died:
        if not life.dead:
            raise  # another one's death, around this one
    finally:
        del connection.commit
        if before is not None:
            connection.commit = before
        if life.dead:
            become_another_process()


def each_death(begin: Callable[[], T], work: Callable[[], object]) -> Iterator[tuple[T, str]]:
    """After ``begin()`` this process dies in ``work()``: at each of its statements and commits, before it and after it.

    Yields what ``begin`` returned, and where the death was, each time; what the dead worker held is due again then.
    """

    def life(**death: Any) -> tuple[Mortal, T]:
        begun = begin()
        with mortal(**death) as found:
            work()
        return found, begun

    whole, _ = life()
    assert whole.committed
    for at in range(whole.count):
        for before in (True, False):
            found, begun = life(at=at, before=before)
            if not found.dead:
                continue
            Workflow.objects.filter(state="in_progress", claimed_by__gt="").update(due_at="2020-01-01T00:00:00Z")
            Step.objects.filter(state="running").update(due_at="2020-01-01T00:00:00Z")
            yield begun, f"{'before' if before else 'after'} {at}: {found.seen[at][:200]}"
