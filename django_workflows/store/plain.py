"""Whether what a function says to the database stays within its own rows, so that others may share its transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from ..conf import settings
from .after_commit import named
from .broken import is_broken
from .database import connection, execute

#: Statements that leave nothing behind in their transaction but rows and locks of rows. A ``SET LOCAL``, a lock of a
#: table or a temporary table would be there for whoever comes next in it.
_PLAIN = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO)\b", re.IGNORECASE)
_ODD_CALLS = re.compile(r"\b(?:set_config|pg_\w*advisory\w*|pg_export_snapshot|dblink\w*)\b", re.IGNORECASE)
#: PostgreSQL's word for a lock that was not to be had in the time that is given for it, or at once.
_LOCK_NOT_AVAILABLE = "55P03"
#: What a function says that sets a limit of its own for the rest of its transaction.
_OWN_LIMIT = re.compile(r"statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout")
#: Milliseconds that a shared transaction waits for a lock. PostgreSQL looks for deadlocks after a second.
_LOCK_MS = 50


class NotPlain(Exception):
    """A statement that is not for a transaction that is shared. It has not been run."""


_Execute = Callable[[str, Any, bool, dict[str, Any]], Any]
#: What is called after a commit.
Hook = Callable[[], object]


class Watch:
    """Watches the statements of one function in the present transaction. ``forbids``: none but plain ones are run.

    ``plain`` says whether all were; ``hooks`` whether something is to be called after the commit. ``refused`` is the
    last error of a statement, ``own_limit`` says whether the function has set a time limit of the database's itself.
    """

    __slots__ = ("_aside", "_conn", "_forbids", "_hooks", "own_limit", "plain", "refused")

    def __init__(self, *, forbids: bool = False) -> None:
        self._conn = connection()
        self._forbids = forbids
        self._hooks = len(self._conn.run_on_commit)
        self._aside = False
        self.plain = True
        self.own_limit = False
        self.refused: Exception | None = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Look away, in the block."""
        self._aside = True
        try:
            yield
        finally:
            self._aside = False

    def __enter__(self) -> Self:
        self._conn.execute_wrappers.append(self._run)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._conn.execute_wrappers.remove(self._run)
        self.refused = None  # it holds on to its frames, and they to a cursor

    @property
    def broken(self) -> bool:
        """Whether the transaction is; see ``is_broken``."""
        return is_broken(self._conn)

    @property
    def hooks(self) -> bool:
        return len(self._conn.run_on_commit) > self._hooks

    @property
    def hooks_before(self) -> int:
        """How many hooks there were before."""
        return self._hooks

    def _run(self, execute: _Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if self._aside:
            return execute(sql, params, many, context)
        if not (isinstance(sql, str) and _PLAIN.match(sql)) or _ODD_CALLS.search(sql):
            self.plain = False
            self.own_limit = self.own_limit or bool(_OWN_LIMIT.search(f"{sql} {params or ''}"))
            if self._forbids:
                raise NotPlain(f"not for a transaction that is shared: {str(sql)[:80]}")
        try:
            return execute(sql, params, many, context)
        except Exception as error:
            if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                self.plain = False  # the function may be about to do something about it
            self.refused = error
            raise


def can_be_shared() -> bool:
    """Whether this database's transactions are known well enough."""
    return connection().vendor in ("postgresql", "sqlite") and settings.SESSION_RESET != "always"


def do_not_wait_for_locks() -> None:
    """Let the rest of the present transaction fail rather than wait for somebody else's lock."""
    if connection().vendor == "postgresql":
        execute(f"SET LOCAL lock_timeout = {_LOCK_MS}")


def not_waiting() -> str:
    """The same as a part of what a statement returns, if it returns anything."""
    return f", set_config('lock_timeout', '{_LOCK_MS}', true)" if connection().vendor == "postgresql" else ""


def hook_count() -> int:
    """How many hooks the present transaction has so far."""
    return len(connection().run_on_commit)


def replace_hooks(since: int, made: Callable[[Hook], Hook]) -> None:
    """Have ``made(hook)`` called in place of each hook that was registered after the first ``since`` ones."""
    hooks: list[Any] = connection().run_on_commit  # of three each, whatever its stub says
    hooks[since:] = [(ids, made(hook), robust) for ids, hook, robust in hooks[since:]]


def let_each_hook_fail_alone() -> None:
    """Whatever is to be called after this commit is called, though what was to be called before it fails."""
    conn = connection()
    hooks: list[Any] = conn.run_on_commit  # of three each, whatever its stub says
    conn.run_on_commit = [(ids, named(hook), True) for ids, hook, _ in hooks]  # type: ignore[misc]
