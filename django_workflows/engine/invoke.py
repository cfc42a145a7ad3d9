"""Calls a user's step function: sync or async, in the transaction and within the time that its kind asks for."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from types import CoroutineType
from typing import Any

from asgiref.sync import async_to_sync
from django.db import DatabaseError, InterfaceError
from django.db.transaction import TransactionManagementError

from ..conf import settings
from ..core.commands import Outcome
from ..core.journal import ClaimedStep, StepKind
from ..core.outcomes import failure_of, message_of
from ..core.retry import asked_delay
from ..core.signatures import Signature
from ..exceptions import InvalidPayload, StepTimeout
from ..store.broken import is_broken
from ..store.database import alias, atomic, connection, execute, retrying
from ..store.plain import Watch
from ..store.session import WritesLost, guard
from ..store.transient import is_asked_for, is_read_only, is_transient, timed_out
from . import tracing
from .borrowed_signals import give_back_handlers, handlers
from .captured import applied
from .current import CurrentStep, _current, here, unwritten
from .deadlines import DeadlineReached, deadline
from .hooks import keep_hooks
from .interruptions import AttemptInterrupted, interruption
from .log_fields import of_step
from .variables import own_variables

logger = logging.getLogger("django_workflows")

__all__ = ["AttemptInterrupted", "attempt", "attempt_in_flight", "call", "read_only", "too_late", "users_savepoint"]

#: Seconds that a coroutine gets to end when asyncio has canceled it at its timeout, before it is interrupted like any
#: other function. What is interrupted goes on in its thread, and may cancel whatever is awaited next.
_GRACE = 1.0
#: How many causes of an error are looked at; they may go in a circle.
_CAUSES = 20
#: What becomes of a step whose function has returned what cannot be stored.
_AFTERWARDS: dict[str, str] = {
    StepKind.ACTION: "The function has returned, so its effect has happened: it is not called again.",
    StepKind.MUTATION: "What the function has written is undone, and it is not called again.",
    StepKind.QUERY: "The function is not called again.",
}
#: Calls a step's function, or something in its place. Set by ``django_workflows.testing`` only.
stand_in: Callable[[ClaimedStep, Callable[..., Any], Any, Any, float | None], Any] | None = None


class _Unstorable(Exception):
    """The function has returned what cannot be stored."""

    def __init__(self, error: InvalidPayload) -> None:
        super().__init__(str(error))
        self.error = error


def attempt(
    step: ClaimedStep, fn: Callable[..., Any], *, contained: bool = False, watch: Watch | None = None
) -> Outcome:
    """Run one attempt of a step, outside of a transaction (an action), in a read-only one (a query), or in the caller's
    (a mutation).

    A mutation that failed has not undone what it wrote: the caller rolls its transaction back. ``contained`` has it
    undone here, at the cost of a savepoint, so that the transaction can go on. ``watch`` is the caller's, if it has the
    statements watched.

    It runs in a ``contextvars.Context`` of its own: what ``fn`` sets there (time zone and language among it) is gone
    afterwards, but for what it leaves to be called after the commit, and nothing of the worker's is seen.

    Never raises for what ``fn`` does: its exception is the outcome, be it a ``BaseException``. Raises
    ``AttemptInterrupted`` when the worker is being ended, and database errors of a mutation or query that pass when its
    whole transaction is run again.
    """
    variables, before = own_variables(), handlers()
    outcome = variables.run(_traced if tracing.is_traced(step) else _guarded, step, fn, contained, watch)
    give_back_handlers(before, step)
    if watch is not None and watch.hooks:
        keep_hooks(watch.hooks_before, variables, step.workflow_id, step.captured, of_step(step), "step")
    return outcome


def _traced(step: ClaimedStep, fn: Callable[..., Any], contained: bool, watch: Watch | None) -> Outcome:
    with tracing.attempting(step) as span:
        outcome = _guarded(step, fn, contained, watch)
        if outcome.error is not None:
            span.failed(outcome.error)
    return outcome


def _guarded(step: ClaimedStep, fn: Callable[..., Any], contained: bool, watch: Watch | None) -> Outcome:
    in_transaction = step.kind != StepKind.ACTION
    step.cancels, step.sends = "", False  # what an earlier attempt asked for was rolled back with it
    current = CurrentStep(step, in_transaction, _unwanted=here.unwanted)
    token = _current.set(current)
    raw = connection().connection if step.kind == StepKind.QUERY else None
    try:
        return _attempt(step, fn, contained, watch) if step.captured is None else _applied(step, fn, contained, watch)
    except BaseException as error:
        refused = _refused(step, error, raw, watch)
        if refused is error:
            raise
        if refused is not None:
            raise refused from refused.__cause__
        if isinstance(error, _Unstorable):
            return Outcome(step.number, error=failure_of(error.error, attempts=step.attempt), final=True)
        if isinstance(error, WritesLost):  # to call it again would repeat the rest of its effects, in vain
            failure = failure_of(TransactionManagementError(str(error)), attempts=step.attempt)
            return Outcome(step.number, error=failure, final=True)
        own = _own(step, error)
        failure = failure_of(own, attempts=step.attempt, skip_frames=3)
        return Outcome(step.number, error=failure, retry_after=asked_delay(own))
    finally:
        if unwritten:
            current.end()
        _current.reset(token)


def _applied(step: ClaimedStep, fn: Callable[..., Any], contained: bool, watch: Watch | None) -> Outcome:
    """``_attempt`` where what was captured at the start of the workflow holds."""
    outcome: Outcome | None = None
    try:
        # What an apply does to a session is undone as well, whatever it makes of that itself.
        with guard(alias(), step.kind != StepKind.ACTION), applied(step.captured):
            outcome = _attempt(step, fn, contained, watch)
    except BaseException as error:
        if outcome is None or step.kind != StepKind.ACTION or interruption(error) is not None:
            raise
        # Its effect has happened, and its result is known.
        about = of_step(step)
        logger.exception("What applies to step %d (%s) could not be ended", step.number, step.name, extra=about)
    return outcome


def _own(step: ClaimedStep, error: BaseException) -> BaseException:
    """The error that the attempt failed with. Raises ``AttemptInterrupted`` if it did not, and the worker is ended."""
    outside = interruption(error)
    if outside is None:
        return error
    if isinstance(outside, AttemptInterrupted):
        raise outside
    if not isinstance(outside, DeadlineReached):
        raise AttemptInterrupted(failure_of(outside, attempts=step.attempt), outside) from error
    return too_late(step).with_traceback(error.__traceback__)


def _refused(step: ClaimedStep, error: BaseException, before: object, watch: Watch | None) -> BaseException | None:
    """The transient error for which a query or mutation is to be run again; ``None`` where ``error`` is its failure.

    Neither leaves a trace when its transaction is undone. It must be the journal's own database that was in the way:
    another one, or a service, may have been asked as well. Whatever the function made of that error, its transaction is
    lost. A time limit that the function has set itself is its own, and so is its failure. On its last delivery any
    error is.
    """
    if step.kind == StepKind.ACTION or is_last_delivery(step):
        return None
    found = error if is_transient(error) else None if interruption(error) is not None else _broken_by(watch)
    if found is None or (timed_out(found) and watch is not None and watch.own_limit):
        return None
    if step.kind == StepKind.QUERY and is_read_only(found):
        return None  # it must not write
    ours = watch is None or found is watch.refused or _is_lost(before)
    return found if ours and not is_asked_for(found) else None


def is_last_delivery(step: ClaimedStep) -> bool:
    """Whether the database has refused this step as often as it may: now whatever comes of it is its outcome."""
    return bool(step.refused >= settings.MAX_DELIVERIES - 1)


def _broken_by(watch: Watch | None) -> Exception | None:
    """The transient error, caught by the function, that left nothing of its transaction."""
    refused = None if watch is None else watch.refused
    if refused is None or not is_transient(refused):
        return None
    return refused if is_broken() or _is_lost(None) else None


def _is_lost(before: object) -> bool:
    """Whether the journal's connection is gone, or is another one than ``before``."""
    raw: object = connection().connection
    return raw is None or (before is not None and raw is not before) or bool(getattr(raw, "closed", False))


def _attempt(step: ClaimedStep, fn: Callable[..., Any], contained: bool, watch: Watch | None) -> Outcome:
    signature = Signature.of(fn)
    args, kwargs = signature.decode_arguments(step.args)
    timeout = step.options.get("timeout")
    if timeout is None and step.kind == StepKind.ACTION:
        return _outcome(step, fn, signature, args, kwargs, None)
    if timeout is None and step.kind == StepKind.MUTATION and not contained:
        outcome = _outcome(step, fn, signature, args, kwargs, None)
        _refuse(is_broken() if watch is None else watch.broken)
        return outcome
    late = _GRACE if timeout is not None and signature.is_coroutine else 0.0
    with deadline(timeout and timeout + late), _surroundings(step.kind, contained):
        return _outcome(step, fn, signature, args, kwargs, timeout)


def _outcome(
    step: ClaimedStep, fn: Callable[..., Any], signature: Signature, args: Any, kwargs: Any, timeout: float | None
) -> Outcome:
    with guard(alias(), step.kind != StepKind.ACTION):
        if stand_in is not None:
            value = stand_in(step, fn, args, kwargs, timeout)
        else:
            value = call(fn, args, kwargs, timeout) if signature.is_coroutine else fn(*args, **kwargs)
        if type(value) is CoroutineType:  # an ordinary function around a coroutine function, as decorators make them
            value = _to_its_end(partial(_itself, value), timeout)
    return _stored(step, signature, value)


def _stored(step: ClaimedStep, signature: Signature, value: Any) -> Outcome:
    """The outcome of a function that has returned ``value``. Raises ``_Unstorable``."""
    what = f"result of step {step.number} ({step.name})"
    try:
        text, decoded = signature.result.encode_checked(value, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
    except BaseException as error:  # noqa: BLE001 - a user's class may raise anything
        text, decoded = _encoded_after(error, step, signature, value, what)
    # Of a value that workflow functions read otherwise the text is handed over, as on every replay.
    return Outcome(step.number, text, None, decoded, signature.result.for_workflows is signature.result)


def _encoded_after(
    first: BaseException, step: ClaimedStep, signature: Signature, value: Any, what: str
) -> tuple[str, Any]:
    """The result as it is stored, and as it comes back, once that has failed. ``_Unstorable`` if it cannot be.

    What a database says that passes is no fault of the result's: an action's is read again, since the action cannot be.
    """
    try:
        passing = _transient_cause(first) if isinstance(first, Exception) else None
        if passing is None:
            raise first
        if step.kind != StepKind.ACTION:
            raise passing from first
        again = partial(signature.result.encode_checked, value, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
        return retrying(partial(_with_its_cause, again))
    except BaseException as error:
        if interruption(error) is not None or (step.kind != StepKind.ACTION and is_transient(error)):
            raise
        kind = type(error) if isinstance(error, InvalidPayload) else InvalidPayload
        reason = str(error) if isinstance(error, InvalidPayload) else f"{what}: {message_of(error)}"
        raise _Unstorable(kind(f"{reason} {_AFTERWARDS[step.kind]}")) from error


# -- on the event loop


async def attempt_in_flight(step: ClaimedStep, fn: Callable[..., Any], current: CurrentStep) -> Outcome:
    """Run one attempt of an async action, in a task whose ``contextvars.Context`` is its own.

    Never raises for what ``fn`` does; a task that is canceled raises ``CancelledError``, if ``fn`` lets it pass.
    """
    token = _current.set(current)
    try:
        with tracing.attempting(step) if tracing.is_traced(step) else nullcontext() as span:
            outcome = await _in_flight(step, fn)
            if span is not None and outcome.error is not None:
                span.failed(outcome.error)
            return outcome
    finally:
        if unwritten:
            current.end()
        _current.reset(token)


async def _in_flight(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
    outcome: Outcome | None = None
    try:
        with applied(step.captured):
            outcome = await _awaited(step, fn)
        return outcome  # noqa: RET504 - whether there was one is asked below
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _failed(step, asyncio.CancelledError("the function raised it: nobody canceled this step"))
    except BaseException as error:
        if outcome is None:
            return _failed(step, error)
        # Its effect has happened, and its result is known.
        logger.exception("What applies to step %d (%s) could not be ended", step.number, step.name, extra=of_step(step))
        return outcome


def _failed(step: ClaimedStep, error: BaseException) -> Outcome:
    if isinstance(error, _Unstorable):
        return Outcome(step.number, error=failure_of(error.error, attempts=step.attempt), final=True)
    failure = failure_of(error, attempts=step.attempt, skip_frames=2)
    return Outcome(step.number, error=failure, retry_after=asked_delay(error))


async def _awaited(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
    signature = Signature.of(fn)
    args, kwargs = signature.decode_arguments(step.args)
    timeout = step.options.get("timeout")
    if timeout is None:
        return _stored(step, signature, await fn(*args, **kwargs))
    try:
        async with asyncio.timeout(timeout) as limit:
            value = await fn(*args, **kwargs)
    except TimeoutError as error:
        if limit.expired():
            raise too_late(step).with_traceback(error.__traceback__) from error.__cause__
        raise
    return _stored(step, signature, value)


def too_late(step: ClaimedStep) -> StepTimeout:
    """What an attempt fails with that ran longer than it may."""
    return StepTimeout(f"the attempt took longer than its timeout of {step.options.get('timeout')} s")


def _with_its_cause(encode: Callable[[], tuple[str, Any]]) -> tuple[str, Any]:
    try:
        return encode()
    except Exception as error:
        cause = _transient_cause(error)
        if cause is None or cause is error:
            raise
        raise cause from error


def _transient_cause(error: BaseException | None) -> Exception | None:
    """What a database said that passes, between which and ``error`` pydantic may stand."""
    for _ in range(_CAUSES):
        if error is None:
            break
        if isinstance(error, (DatabaseError, InterfaceError)) and is_transient(error):
            return error
        error = error.__cause__ or error.__context__
    return None


def call(fn: Callable[..., Any], args: Any, kwargs: Any, timeout: float | None = None) -> Any:
    """``fn(*args, **kwargs)``; a coroutine function is run to its end on an event loop of its own."""
    if not inspect.iscoroutinefunction(fn):  # a fake may have no signature
        return fn(*args, **kwargs)
    return _to_its_end(partial(fn, *args, **kwargs), timeout)


def _itself(coroutine: Any) -> Any:
    return coroutine


def _to_its_end(begin: Callable[[], Any], timeout: float | None) -> Any:
    async def run() -> Any:
        try:
            async with asyncio.timeout(timeout) as limit:
                return await begin()
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineReached(str(error)) from error
            raise

    return async_to_sync(run)()


def _surroundings(kind: str, contained: bool) -> AbstractContextManager[None]:
    if kind == StepKind.QUERY:
        return read_only()
    if kind == StepKind.MUTATION:
        return users_savepoint() if contained else unbroken()
    return nullcontext()


@contextmanager
def users_savepoint() -> Iterator[None]:
    """A savepoint for what a user's function writes. Raises what ``unbroken`` raises."""
    with atomic(), unbroken():
        yield


class unbroken:  # noqa: N801 - reads as a statement
    """Raises ``TransactionManagementError`` where a user's function caught a database error that broke the transaction.

    Django would undo all its writes without a word.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is None:
            _refuse(is_broken())


def _refuse(broken: bool) -> None:
    if broken:
        raise TransactionManagementError(
            "a database error was caught inside the transaction that it broke, so nothing of it can be kept. "
            "Put what may fail into a transaction.atomic() block of its own, and catch the error outside of that."
        )


@contextmanager
def read_only() -> Iterator[None]:
    """A transaction that sees one state of the database and cannot write.

    Inside a caller's transaction (an inline query, a test) it is a savepoint: what it sees is then the caller's.
    """
    conn = connection()
    nested = conn.in_atomic_block
    if conn.vendor == "postgresql":
        with atomic(write=False):
            if nested:
                execute("SET LOCAL transaction_read_only = on")
            else:
                execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
            if nested:
                # Reading on is allowed after writing was forbidden, but not the other way round: only a rollback to
                # the savepoint gives the caller its own mode back.
                conn.set_rollback(True)
        return
    conn.ensure_connection()
    raw = conn.connection
    raw.execute("PRAGMA query_only = ON")
    try:
        with atomic(write=False):
            yield
    finally:
        # Not by a cursor of Django's, which refuses in a transaction that the query has broken.
        if conn.connection is raw:
            with suppress(sqlite3.ProgrammingError):  # the query has closed it
                raw.execute("PRAGMA query_only = OFF")
